package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/postgres/pgtest"
)

// binary is the real equalizer, which TestMain builds with the race detector. A race ends it with
// exit code 66, which no test expects.
var binary string

// raceOptions are those of the race detector in all processes that tests start. By default each
// would wait for a second before it ends.
const raceOptions = "halt_on_error=1 exitcode=66 atexit_sleep_ms=0"

// beside is how many tests run at once of those that may, unless -parallel says otherwise. They are
// more than a small machine has processors, since most of them wait for a process.
const beside = 4

// server is the PostgreSQL of the tests that only connect to it.
var server pgtest.Server

// asBackend makes this test binary serve as a backend, so that one can be killed. asLedger names a
// file in which it notes the POSTs that reach it, so that they are known of one that was killed.
const (
	asBackend = "EQUALIZER_TEST_BACKEND"
	asLedger  = "EQUALIZER_TEST_LEDGER"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(asBackend); address != "" {
		serveBackend(address)
		return
	}
	if filepath.Base(os.Args[0]) == curlName {
		os.Exit(runCurl(os.Args[1:], os.Stdout))
	}
	tormentFlags()
	if err := flag.Set("test.parallel", strconv.Itoa(beside)); err != nil {
		panic(err)
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	if err := os.Setenv("GORACE", raceOptions); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "equalizer-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	defer server.Close()
	binary = filepath.Join(dir, "equalizer")
	build := exec.Command("go", "build", "-race", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// deadline is how long a test waits for something that must happen. It is far longer than that
// takes, since a machine under load is no failure.
const deadline = 60 * time.Second

// proxied is a running equalizer.
type proxied struct {
	t            *testing.T
	cmd          *exec.Cmd
	proxy, admin string // URLs
	logs         *logs
	exited       chan error
}

// launch starts the binary and waits until it is ready. Addresses that args don't give are free
// ones.
func launch(t *testing.T, args ...string) *proxied {
	t.Helper()
	return launchBinary(t, binary, args...)
}

func launchBinary(t *testing.T, binary string, args ...string) *proxied {
	t.Helper()
	p := spawnWith(t, binary, nil, args...)
	p.awaitReady()
	return p
}

// awaitReady waits until the process logs where it listens.
func (p *proxied) awaitReady() {
	p.t.Helper()
	line := p.logs.await(p.t, "ready")
	p.proxy = "http://" + local(line["proxy"].(string))
	p.admin = "http://" + local(line["admin"].(string))
}

// spawn starts the binary without waiting.
func spawn(t *testing.T, args ...string) *proxied {
	t.Helper()
	return spawnWith(t, binary, nil, args...)
}

// spawnWith is spawn with another binary and more environment variables.
func spawnWith(t *testing.T, binary string, env []string, args ...string) *proxied {
	t.Helper()
	return spawnAs(t, binary, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, env...) }, args...)
}

// spawnAs is spawn with another binary, after prepare has changed the command.
func spawnAs(t *testing.T, binary string, prepare func(*exec.Cmd), args ...string) *proxied {
	t.Helper()
	p := &proxied{t: t, logs: newLogs(), exited: make(chan error, 1)}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = append(os.Environ(), "NO_COLOR=1")
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout = io.Discard
	prepare(p.cmd)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	read := make(chan struct{})
	go func() { p.logs.read(stderr); close(read) }()
	go func() { <-read; p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		if t.Failed() {
			t.Log("its log:\n" + p.logs.text())
		}
	})
	return p
}

// free are flags that make equalizer listen on any free ports.
func free(args ...string) []string {
	return append([]string{"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)
}

func local(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return net.JoinHostPort("127.0.0.1", port)
}

// wait waits for the process to end, and returns its exit code.
func (p *proxied) wait() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(deadline):
		p.t.Fatal("it did not exit; its log:\n" + p.logs.text())
		return -1
	}
}

func (p *proxied) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// kill kills the process with SIGKILL, and waits for its end.
func (p *proxied) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	require.Equal(p.t, -1, p.wait())
}

// stop stops the process with SIGTERM, and waits until it has ended. Everything must be stored, and
// the race detector must have found nothing.
func (p *proxied) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	require.Equal(p.t, 0, p.wait(), "exit code; its log:\n%s", p.logs.text())
}

// answer is one HTTP response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends one request. A body is JSON; "" is none.
func do(method, url, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(data)}, err
}

func (p *proxied) do(method, url, body string, header ...string) answer {
	p.t.Helper()
	a, err := do(method, url, body, header...)
	require.NoError(p.t, err)
	return a
}

// get sends a GET to the proxy.
func (p *proxied) get(path string, header ...string) answer {
	p.t.Helper()
	return p.do("GET", p.proxy+path, "", header...)
}

// call calls the admin API.
func (p *proxied) call(method, path, body string) answer {
	p.t.Helper()
	return p.do(method, p.admin+path, body)
}

// status is the admin API's /status.
func (p *proxied) status() status {
	p.t.Helper()
	var s status
	a := p.call("GET", "/status", "")
	require.Equal(p.t, 200, a.status, a.body)
	require.NoError(p.t, json.Unmarshal([]byte(a.body), &s), a.body)
	return s
}

type status struct {
	Pools []struct {
		Queue queueStatus `json:"queue"`
	} `json:"pools"`
	Store struct {
		Driver  string `json:"driver"`
		Up      bool   `json:"up"`
		Error   string `json:"error"`
		Flushes int64  `json:"flushes"`
		Dirty   int64  `json:"dirty"`
	} `json:"store"`
	Shared struct {
		CutOff bool  `json:"cut_off"`
		Rounds int64 `json:"rounds"`
	} `json:"shared"`
	Buckets struct {
		Count int64 `json:"count"`
	} `json:"buckets"`
	Requests struct {
		Total      int64 `json:"total"`
		InFlight   int64 `json:"in_flight"`
		Limited    int64 `json:"limited"`
		BadGateway int64 `json:"bad_gateway"`
		Mended     int64 `json:"mended"`
		Responses  struct {
			Informational int64 `json:"1xx"`
		} `json:"responses"`
		Unavailable int64 `json:"unavailable"`
		TooSlow     int64 `json:"too_slow"`
		Retries     int64 `json:"retries"`
		Cut         int64 `json:"cut"`
	} `json:"requests"`
}

// bucket is the admin API's view of one.
type bucket struct {
	ClientID string `json:"client_id"`
	Capacity int64  `json:"capacity"`
	Tokens   int64  `json:"tokens"`
	Refill   string `json:"refill"`
	Managed  bool   `json:"managed"`
}

func (p *proxied) bucket(clientID string) bucket {
	p.t.Helper()
	a := p.call("GET", "/buckets/"+clientID, "")
	require.Equal(p.t, 200, a.status, a.body)
	var b bucket
	require.NoError(p.t, json.Unmarshal([]byte(a.body), &b))
	return b
}

// flushed waits until a flush that began after this call has stored everything.
func (p *proxied) flushed() {
	p.t.Helper()
	before := p.status().Store.Flushes
	p.await("a flush", func() bool { return p.status().Store.Flushes >= before+2 })
}

// await polls until a condition holds.
func (p *proxied) await(what string, so func() bool) {
	p.t.Helper()
	await(p.t, what, so)
}

func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	end := time.After(deadline)
	for !so() {
		select {
		case <-poll.C:
		case <-end:
			t.Fatalf("waited %v in vain for %s", deadline, what)
		}
	}
}

// logs are the lines that a process has logged.
type logs struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced at every line
	ended bool
}

func newLogs() *logs { return &logs{more: make(chan struct{})} }

func (l *logs) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l.add(lines.Text(), false)
	}
	l.add("", true)
}

func (l *logs) add(line string, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended = ended; !ended {
		l.lines = append(l.lines, line)
	}
	close(l.more)
	l.more = make(chan struct{})
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// find returns the first line that matches, or a channel to wait on if there is none yet.
func (l *logs) find(match func(line string) bool) (line string, more <-chan struct{}, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if match(line) {
			return line, nil, false
		}
	}
	return "", l.more, l.ended
}

// awaitLine waits for the first line that matches.
func (l *logs) awaitLine(t *testing.T, what string, match func(line string) bool) string {
	t.Helper()
	end := time.After(deadline)
	for {
		line, more, ended := l.find(match)
		if line != "" {
			return line
		}
		if ended {
			t.Fatalf("it ended without logging %q:\n%s", what, l.text())
		}
		select {
		case <-more:
		case <-end:
			t.Fatalf("it did not log %q:\n%s", what, l.text())
		}
	}
}

// await waits for the first JSON line with this message.
func (l *logs) await(t *testing.T, message string) (fields map[string]any) {
	t.Helper()
	l.awaitLine(t, message, func(line string) bool {
		fields = nil
		return json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == message
	})
	return fields
}

// awaitText waits for the first match in a line, and returns it with its groups.
func (l *logs) awaitText(t *testing.T, expr *regexp.Regexp) []string {
	t.Helper()
	return expr.FindStringSubmatch(l.awaitLine(t, expr.String(), expr.MatchString))
}

// serveBackend is a backend process. It echoes the request, slowly if asked to, and names itself.
func serveBackend(address string) {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
		_ = os.Remove(address) // a backend that was killed leaves its socket
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr())
	note := noteInLedger()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil {
			time.Sleep(d)
		}
		note(r)
		w.Header().Set("Backend", ln.Addr().String())
		var echo bytes.Buffer
		_ = r.Header.Write(&echo)
		_, _ = io.Copy(w, io.MultiReader(&echo, r.Body))
	})
	fmt.Fprintln(os.Stderr, http.Serve(ln, handler))
	os.Exit(1)
}

// noteInLedger is what notes a POST in the ledger, if there is one.
func noteInLedger() func(*http.Request) {
	path := os.Getenv(asLedger)
	if path == "" {
		return func(*http.Request) {}
	}
	ledger, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return func(r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = fmt.Fprintln(ledger, r.Header.Get("Ledger-Id"))
		}
	}
}

// backend is a backend process.
type backend struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
}

// startBackend starts one on an address; "127.0.0.1:0" is any free port, and "/tmp/x" a unix
// socket.
func startBackend(t *testing.T, address string) *backend {
	t.Helper()
	b := &backend{t: t, cmd: exec.Command(os.Args[0])}
	b.cmd.Env = append(os.Environ(), asBackend+"="+address)
	stdout, err := b.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, b.cmd.Start())
	t.Cleanup(b.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "the backend says where it listens")
	b.address = strings.TrimSpace(line)
	return b
}

func (b *backend) url() string {
	if strings.HasPrefix(b.address, "/") {
		return "unix://" + b.address
	}
	return "http://" + b.address
}

// kill kills the backend with SIGKILL, and waits for its end.
func (b *backend) kill() {
	if b.cmd.ProcessState == nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait() // The error is that it was killed.
	}
}

// startBackends starts n backends, and returns the flags that name them.
func startBackends(t *testing.T, n int) (backends []*backend, flags []string) {
	t.Helper()
	for range n {
		b := startBackend(t, "127.0.0.1:0")
		backends = append(backends, b)
		flags = append(flags, "--backend", b.url())
	}
	return backends, flags
}
