//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/netconn/deadtest"
)

// supervisor holds the listening sockets, as systemd does, and starts one process after the other
// with them.
type supervisor struct {
	t     *testing.T
	files []*os.File
	names string
	addrs []string
}

// newSupervisor listens on a free address for each name; "" is a socket without one.
func newSupervisor(t *testing.T, names ...string) *supervisor {
	t.Helper()
	s := &supervisor{t: t, names: strings.Join(names, ":")}
	for range names {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		file, err := ln.(*net.TCPListener).File()
		require.NoError(t, err)
		require.NoError(t, ln.Close())
		t.Cleanup(func() { file.Close() })
		s.files = append(s.files, file)
		s.addrs = append(s.addrs, ln.Addr().String())
	}
	return s
}

// spawn starts the binary with the sockets. Only the shell knows the pid before the process runs.
func (s *supervisor) spawn(args ...string) *proxied {
	s.t.Helper()
	env := []string{fmt.Sprint("LISTEN_FDS=", len(s.files)), "LISTEN_FDNAMES=" + s.names}
	script := []string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, binary}
	return spawnAs(s.t, "/bin/sh", func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, env...)
		cmd.ExtraFiles = s.files
	}, append(script, args...)...)
}

// Over restarts connections wait and none is refused, though the next process starts when the one
// before it has ended. What lasts is cut for them.
func TestSupervisedRestartsRefuseNothing(t *testing.T) {
	s := newSupervisor(t, "admin", "proxy")
	file := writeFile(t, "[server]\ntunnel_grace = \"200ms\"\n")
	args := []string{
		"--backend", lasting(t).URL, "--store", t.TempDir() + "/buckets.db", "-c", file,
		"--key", "header:X-Client", "--secret=false", "--capacity", "1000000", "--refill", "1/20m",
	}
	p := s.spawn(args...)
	p.awaitReady()
	assert.Equal(t, "http://"+s.addrs[0], p.admin)
	assert.Equal(t, "http://"+s.addrs[1], p.proxy)
	load := startArrivals(p.proxy+"/", "X-Client", "load")
	for range 2 {
		before := load.answered.Load()
		p.await("requests", func() bool { return load.answered.Load() > before+10 })
		ws, events := p.webSocket(), p.open("/events", "", " 200 ")
		ws.echoes("before")
		slow := make(chan answer, 1)
		go func() {
			a, err := do("GET", p.proxy+"/slow", "", "X-Client", "slow")
			assert.NoError(t, err)
			slow <- a
		}()
		p.await("the slow request", func() bool { return p.call("GET", "/buckets/slow", "").status == 200 })
		p.signal(syscall.SIGTERM)
		began := time.Now()
		_, err := io.Copy(io.Discard, io.MultiReader(ws, events))
		require.True(t, err == nil || strings.Contains(err.Error(), "reset"), err)
		require.Equal(t, 0, p.wait(), p.logs.text())
		assert.Equal(t, "slow", (<-slow).body, "it takes longer than tunnel_grace, and is none")
		assert.Less(t, time.Since(began), 10*time.Second, "shutdown_timeout is 20s")
		p = s.spawn(args...)
		p.awaitReady()
		require.Equal(t, 204, p.call("DELETE", "/buckets/slow", "").status)
	}
	before := load.answered.Load()
	p.await("requests", func() bool { return load.answered.Load() > before+10 })
	load.stop()
	assert.Zero(t, load.refused.Load())
	assert.Empty(t, load.other)
	assert.Equal(t, 1_000_000-load.answered.Load(), p.bucket("load").Tokens)
	p.stop()
}

// A socket without a name is known by its address. One that is for no listener ends the start.
func TestInheritedByAddress(t *testing.T) {
	_, flags := startBackends(t, 1)
	s := newSupervisor(t, "")
	p := s.spawn(append(flags, "--listen", s.addrs[0], "--admin", "127.0.0.1:0")...)
	p.awaitReady()
	assert.Equal(t, "http://"+s.addrs[0], p.proxy)
	assert.Equal(t, 200, p.get("/").status)
	p.stop()

	p = s.spawn(append(flags, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")...)
	assert.Equal(t, 1, p.wait())
	assert.Contains(t, p.logs.text(), "inherited socket "+s.addrs[0]+" is neither named proxy or admin nor on server.listen")
}

// Only a TCP listener can be inherited. A file, a connection, as a socket unit with Accept=yes
// passes it, or a socket that is only bound would never accept anything, without an error.
func TestInheritedThatIsNoListener(t *testing.T) {
	_, flags := startBackends(t, 1)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	conn, err := net.Dial("tcp", listenAnywhere(t).Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	connected, err := conn.(*net.TCPConn).File()
	require.NoError(t, err)
	for name, file := range map[string]*os.File{"pipe": read, "connection": connected, "bound": boundSocket(t)} {
		t.Run(name, func(t *testing.T) {
			defer file.Close()
			s := &supervisor{t: t, files: []*os.File{file}, names: "proxy"}
			p := s.spawn(free(flags...)...)
			assert.Equal(t, 1, p.wait())
			assert.Contains(t, p.logs.text(), "descriptor 3 is not a listening socket")
		})
	}
}

// listenAnywhere is a listener until the test's end.
func listenAnywhere(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// boundSocket has an address, and doesn't listen.
func boundSocket(t *testing.T) *os.File {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	return os.NewFile(uintptr(fd), "bound")
}

// A reload keeps the sockets that a supervisor passed. It refuses another address, on which nothing
// would come.
func TestReloadKeepsInheritedSockets(t *testing.T) {
	s := newSupervisor(t, "admin", "proxy")
	b, other := lasting(t), deadtest.Address(t)
	with := func(listen, log string) string {
		return addressed(listen, "127.0.0.1:8080", poolOf("web", b.URL), "[log]\nlevel = "+log+"\n")
	}
	r := reloadable{file: writeFile(t, with(":8000", `"info"`))}
	r.proxied = s.spawn("-c", r.file)
	r.awaitReady()
	assert.Equal(t, map[string]string{"log.level": "changed"}, r.reloads(with(":8000", `"warn"`)))
	assert.Contains(t, r.refuses(with(other, `"info"`)), `"key":"server.listen"`)
	assert.False(t, accepts(other))
	assert.Equal(t, "http://"+s.addrs[1], r.proxy)
	assert.Equal(t, 200, r.get("/").status)
	r.stop()
}
