//go:build e2e && linux

package deploy

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"gopher-equalizer/balancer/tlstest"
)

// nobody is a user without rights.
const nobody = 65534

// site is an edge as the example configures it, on other ports, with the binary that serves it.
type site struct {
	t                     *testing.T
	ca                    *tlstest.CA
	binary, file          string
	clearPort, securePort int
}

// newSite writes the configuration into a folder that every user can read.
func newSite(t *testing.T, clearPort, securePort int) site {
	t.Helper()
	dir, err := os.MkdirTemp("", "equalizer-ports-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	s := site{t, tlstest.NewCA(t), filepath.Join(dir, "equalizer"), filepath.Join(dir, "config.toml"), clearPort, securePort}
	build := exec.Command("go", "build", "-o", s.binary, "../cmd/equalizer")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	cert, key := tlstest.Files(t, s.ca.Issue("localhost"))
	text := read(t, edgeConfig) + "[admin]\nlisten = \"127.0.0.1:0\"\n"
	for from, to := range map[string]string{
		":80": ":" + strconv.Itoa(clearPort), ":443": ":" + strconv.Itoa(securePort),
		"/etc/equalizer/site.pem": readable(t, dir, cert), "/etc/equalizer/site.key": readable(t, dir, key),
	} {
		require.Contains(t, text, strconv.Quote(from))
		text = strings.ReplaceAll(text, strconv.Quote(from), strconv.Quote(to))
	}
	require.NoError(t, os.WriteFile(s.file, []byte(text), 0o644))
	return s
}

// readable is a copy of a file that every user can read.
func readable(t *testing.T, dir, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	path := filepath.Join(dir, filepath.Base(file))
	require.NoError(t, os.WriteFile(path, text, 0o644))
	return path
}

// serves runs the edge, and asks both of its listeners.
func (s site) serves(cmd *exec.Cmd) {
	s.t.Helper()
	logs, err := cmd.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, cmd.Start())
	defer func() {
		require.NoError(s.t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(s.t, cmd.Wait())
	}()
	awaitReady(s.t, logs)

	client := &http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.ca.Roots()}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ask := func(scheme string, port int) *http.Response {
		s.t.Helper()
		response, err := client.Get(scheme + "://" + net.JoinHostPort("localhost", strconv.Itoa(port)) + "/a")
		require.NoError(s.t, err)
		require.NoError(s.t, response.Body.Close())
		return response
	}
	redirected := ask("http", s.clearPort)
	assert.Equal(s.t, http.StatusPermanentRedirect, redirected.StatusCode)
	assert.Equal(s.t, "https://localhost:"+strconv.Itoa(s.securePort)+"/a", redirected.Header.Get("Location"))
	assert.Equal(s.t, http.StatusServiceUnavailable, ask("https", s.securePort).StatusCode, "nothing is at its backend")
}

// awaitReady reads a log until the process is ready, and lets it go on.
func awaitReady(t *testing.T, logs io.Reader) {
	t.Helper()
	lines := bufio.NewScanner(logs)
	var all []string
	for lines.Scan() {
		all = append(all, lines.Text())
		var line struct{ Msg string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
			go func() { _, _ = io.Copy(io.Discard, logs) }() // It ends with the process.
			return
		}
	}
	t.Fatalf("it ended before it was ready:\n%s", strings.Join(all, "\n"))
}

// A user who isn't root listens on ports below 1024 by the capability of the drop-in, and without
// it is told what is missing. Only root can start a process of another user with a capability; for
// others the drop-in was only read.
func TestLowPortsByTheCapability(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("this isn't root, so nothing was run with the capability")
		return
	}
	low := freeLowPorts(t, 2)
	s := newSite(t, low[0], low[1])
	start := func(capabilities ...uintptr) *exec.Cmd {
		cmd := exec.Command(s.binary, "-c", s.file)
		cmd.Dir = filepath.Dir(s.file)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: capabilities}
		return cmd
	}
	require.Equal(t, []string{"CAP_NET_BIND_SERVICE"}, loadUnitFile(t, servicePorts)["Service.AmbientCapabilities"])
	s.serves(start(unix.CAP_NET_BIND_SERVICE))

	first, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	require.NoError(t, err)
	if from, _ := strconv.Atoi(strings.TrimSpace(string(first))); from > min(low[0], low[1]) {
		out, err := start().CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(out), "ports below 1024 are root's; want the capability CAP_NET_BIND_SERVICE, a socket that systemd passes, or another port")
	}
}

// freeLowPorts are ports below 1024 on which nobody listens.
func freeLowPorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for port := 1023; port > 512 && len(ports) < n; port-- {
		if ln, err := net.Listen("tcp", ":"+strconv.Itoa(port)); err == nil {
			require.NoError(t, ln.Close())
			ports = append(ports, port)
		}
	}
	require.Len(t, ports, n)
	return ports
}

// The sockets of the drop-in are passed as systemd passes them, all by the name of the unit, and
// each is served as the listener on its address is.
func TestLowPortsBySockets(t *testing.T) {
	u := withDropIn(t, socketUnits["proxy"], socketPorts)
	var files []*os.File
	var ports []int
	for range u["Socket.ListenStream"] {
		ln, err := net.Listen("tcp", ":0")
		require.NoError(t, err)
		file, err := ln.(*net.TCPListener).File()
		require.NoError(t, err)
		require.NoError(t, ln.Close())
		defer file.Close()
		files, ports = append(files, file), append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	require.Len(t, ports, 2)
	s := newSite(t, ports[0], ports[1])
	name := u["Socket.FileDescriptorName"][0]
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", s.binary, "-c", s.file)
	cmd.Dir, cmd.ExtraFiles = filepath.Dir(s.file), files
	cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES="+name+":"+name)
	s.serves(cmd)
}
