package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A signal that the proxy has no use for is logged, and changes nothing.
func TestSignalsThatAreIgnored(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := launch(t, free(append(flags, "--store", "memory")...)...)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2} {
		p.signal(s)
		p.logs.awaitLine(t, s.String(), func(line string) bool {
			return strings.Contains(line, "ignored a signal") && strings.Contains(line, `"signal":"`+s.String()+`"`)
		})
	}
	p.signal(syscall.SIGPIPE)
	require.Equal(t, 200, p.get("/").status)
	p.stop()
}

// spawnInto starts the binary with a file as its log. Nobody reads the file here.
func spawnInto(t *testing.T, log *os.File, args ...string) *proxied {
	t.Helper()
	p := &proxied{t: t, cmd: exec.Command(binary, args...), logs: newLogs(), exited: make(chan error, 1)}
	p.cmd.Dir = t.TempDir()
	p.cmd.Stderr = log
	require.NoError(t, p.cmd.Start())
	require.NoError(t, log.Close())
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

// readyIn reads a log of any format up to the line that the proxy is ready, and no further than a
// buffer's length.
func (p *proxied) readyIn(log io.Reader) {
	p.t.Helper()
	address := func(what, line string) string {
		found := regexp.MustCompile(what + `"?[=:]"?(127\.0\.0\.1:\d+)`).FindStringSubmatch(line)
		require.NotNil(p.t, found, line)
		return "http://" + found[1]
	}
	for lines := bufio.NewReaderSize(log, 16); ; {
		line, err := lines.ReadString('\n')
		require.NoError(p.t, err)
		if strings.Contains(line, "ready") && strings.Contains(line, "proxy") {
			p.proxy, p.admin = address("proxy", line), address("admin", line)
			return
		}
	}
}

// getMany sends n requests over one connection, and wants each of them served.
func (p *proxied) getMany(n int) {
	p.t.Helper()
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range n {
		resp, err := client.Get(p.proxy + "/some/path/to/make/the/lines/longer")
		require.NoError(p.t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(p.t, err)
		require.NoError(p.t, resp.Body.Close())
		require.Equal(p.t, 200, resp.StatusCode)
	}
}

func (p *proxied) logStatus() (s struct {
	Log struct {
		Dropped int64  `json:"dropped"`
		Error   string `json:"error"`
	} `json:"log"`
},
) {
	p.t.Helper()
	require.NoError(p.t, json.Unmarshal([]byte(p.call("GET", "/status", "").body), &s))
	return s
}

// The proxy survives the end of the log's reader, and the next reader gets the number of lines
// lost.
func TestLogReaderThatEnds(t *testing.T) {
	_, flags := startBackends(t, 1)
	fifo := filepath.Join(t.TempDir(), "log")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	reader, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	require.NoError(t, err)
	p := spawnInto(t, writer, free(append(flags, "--store", "memory")...)...)
	p.readyIn(reader)
	require.NoError(t, reader.Close())

	p.getMany(50)
	p.await("lines to be dropped", func() bool { return p.logStatus().Log.Dropped >= 50 })
	assert.Contains(t, p.logStatus().Log.Error, "broken pipe")
	require.Equal(t, 200, p.call("GET", "/readyz", "").status)

	again, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer again.Close()
	logs := newLogs()
	go logs.read(again)
	told := regexp.MustCompile(`"(\d+) log lines were dropped"`)
	assert.NotEmpty(t, logs.awaitText(t, told)[1])
	p.await("the log to be well", func() bool { return p.logStatus().Log.Error == "" })
	p.getMany(1)
	logs.await(t, "request")
	p.signal(syscall.SIGTERM)
	require.Equal(t, 0, p.wait())
}

// Without a reader, even at the start, it serves and stops as always.
func TestNoLogReader(t *testing.T) {
	_, flags := startBackends(t, 1)
	address := freeAddress(t)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	p := spawnInto(t, writer, append(flags, "--store", "memory", "--admin", "127.0.0.1:0", "--listen", address)...)
	p.proxy = "http://" + address
	p.await("it to serve", func() bool {
		a, err := do("GET", p.proxy+"/", "")
		return err == nil && a.status == 200
	})
	p.signal(syscall.SIGTERM)
	require.Equal(t, 0, p.wait())
}

// A reader that has stopped doesn't hold up requests or the stop, whatever the log's format is.
func TestLogReaderThatHasStopped(t *testing.T) {
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			backends, _ := startBackends(t, 1)
			file := configFile(t, "[pools.default]\nbackends = [%s]\n[store]\ndriver = \"memory\"\n[log]\nformat = \""+format+"\"\n", backends)
			reader, writer, err := os.Pipe()
			require.NoError(t, err)
			defer reader.Close()
			p := spawnInto(t, writer, free("-c", file)...)
			p.readyIn(reader)
			p.getMany(600) // some 200 KB of lines, where a pipe holds 64 KiB
			p.signal(syscall.SIGTERM)
			require.Equal(t, 0, p.wait())
		})
	}
}

// An error that ends a start is logged in the log's format, so the log's reader can read it too.
func TestStartErrorsAreLogged(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	f := func(name string, wantCode int, wantFormat, want string, args ...string) {
		t.Run(name, func(t *testing.T) {
			p := spawn(t, args...)
			require.Equal(t, wantCode, p.wait())
			log := strings.TrimSpace(p.logs.text())
			last := log[strings.LastIndexByte(log, '\n')+1:]
			assert.Contains(t, log, want)
			switch wantFormat {
			case "json":
				for line := range strings.Lines(log) {
					assert.True(t, json.Valid([]byte(line)), line)
				}
				assert.Contains(t, last, `"level":"fatal"`)
			case "console":
				assert.Contains(t, last, " FATAL ")
			case "plain":
				assert.Contains(t, log, "equalizer: ")
			}
		})
	}
	const config = "[pools.default]\nbackends = [\"http://127.0.0.1:1\"]\n[store]\ndriver = \"memory\"\n"
	bad := writeFile(t, "[server]\nlisten = \"8000\"\n[limits.default]\nrefill = \"fast\"\n")
	f("a configuration", 1, "json", `:4: limits.default.refill: `, "-c", bad)
	f("all its problems", 1, "json", `problems found: 3`, "-c", bad)
	f("a configuration that says how", 1, "console", ":3: nonsense: unknown", "-c", writeFile(t, "[log]\nformat = \"console\"\n[nonsense]\n"))
	f("no file", 1, "json", "no such file", "-c", "nowhere.toml")
	f("a flag's value", 1, "json", "--backend", "--backend", "ftp://x")
	f("an address", 1, "json", `"msg":"admin API: listen`, "-c", writeFile(t, config), "--admin", taken.Addr().String())
	f("an address, on a console", 1, "console", "address already in use", "-c", writeFile(t, config+"[log]\nformat = \"console\"\n"), "--admin", taken.Addr().String())
	f("usage", 2, "plain", "--help", "--nonsense")
}
