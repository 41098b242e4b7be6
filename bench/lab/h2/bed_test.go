//go:build linux

package h2

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/h2/raw"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/testbed"
)

// patience is how long a test waits for something that must happen. It is far longer than that
// takes, since a machine under load is no failure.
const patience = 30 * time.Second

// site is the name that the certificate of all tests is for.
const site = "localhost"

// programs are the binary as it is shipped, and as it is with the race detector. TestMain builds
// them.
var programs struct{ shipped, racy *testbed.Bed }

func TestMain(m *testing.M) {
	if os.Getenv(asGullible) != "" {
		fmt.Fprintln(os.Stderr, serveGullibly())
		os.Exit(1)
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	for _, one := range []struct {
		bed   **testbed.Bed
		build func(*testbed.Bed, context.Context, ...string) error
	}{{&programs.shipped, (*testbed.Bed).Build}, {&programs.racy, (*testbed.Bed).BuildRacy}} {
		bed, err := testbed.Open("h2")
		if err == nil {
			defer bed.Close()
			err = one.build(bed, context.Background(), testbed.Equalizer)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		*one.bed = bed
	}
	return m.Run()
}

// server is a running proxy, or what stands in for one.
type server struct {
	t             *testing.T
	secure, clear raw.Target
	admin, log    string
	process       *child.Process
	certificate   string
	// ending is whether the test has had it end.
	ending bool
}

// startServer starts the binary of a bed in front of a backend, with listeners by TLS and in clear
// that speak both protocols, and what else is in the configuration.
func startServer(t *testing.T, bed *testbed.Bed, backend, more string) *server {
	t.Helper()
	addresses, err := child.FreeAddresses(3)
	require.NoError(t, err)
	dir := t.TempDir()
	s := &server{
		t: t, admin: addresses[2], log: filepath.Join(dir, "output.log"),
		secure: raw.Target{Address: addresses[0], TLS: raw.TLS(site)}, clear: raw.Target{Address: addresses[1]},
	}
	s.certificate, err = peers.NewCertificate(dir)
	require.NoError(t, err)
	config := fmt.Sprintf("[[listeners]]\nlisten = %q\ntls = true\n"+
		"[[listeners]]\nlisten = %q\nprotocols = [\"h2c\", \"http/1.1\"]\n"+
		"[[tls.certificates]]\ncert = %q\ndefault = true\n"+
		"[admin]\nlisten = %q\n[pools.web]\nbackends = [%q]\n[store]\ndriver = \"memory\"\n"+
		"[pools.web.health]\npath = \"/health\"\ninterval = \"1m\"\ntimeout = \"30s\"\n%s",
		addresses[0], addresses[1], s.certificate, addresses[2], "http://"+backend, more)
	file := filepath.Join(dir, "equalizer.toml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	s.process, err = child.Start(child.Program{
		Path: bed.Program(testbed.Equalizer), Args: []string{"-c", file}, Dir: dir,
		Env: []string{"GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0"},
	})
	require.NoError(t, err)
	t.Cleanup(s.stop)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, s.process.Await(ctx, func() error { _, err := testbed.Get(ctx, "http://"+s.admin+"/readyz"); return err }))
	return s
}

// stop ends the server, which must neither have ended before nor have had a race or a panic.
func (s *server) stop() {
	if s.process.Ended() && !s.ending {
		s.t.Errorf("the server ended: %s", s.process.LastWords())
	}
	s.process.Stop()
	text, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Error(err)
	}
	for _, word := range []string{"DATA RACE", "panic", "goroutine "} {
		if strings.Contains(string(text), word) {
			s.t.Errorf("its log:\n%s", text)
			return
		}
	}
}

// tree are the server's processes.
func (s *server) tree() measure.Tree {
	s.t.Helper()
	tree, err := measure.TreeOf(s.process.PID())
	require.NoError(s.t, err)
	return tree
}

// targets are the ways to the server.
func (s *server) targets() map[string]raw.Target {
	return map[string]raw.Target{"TLS": s.secure, "clear": s.clear}
}

// dial opens a connection, which is closed with the test.
func dial(t *testing.T, to raw.Target) *raw.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := raw.Dial(ctx, to)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// get are the fields of a GET for a path, and others.
func get(path string, more ...string) []hpack.HeaderField {
	return raw.Fields("GET", "https", site, path, more...)
}

// post are those of a POST.
func post(path string, more ...string) []hpack.HeaderField {
	return raw.Fields("POST", "https", site, path, more...)
}

// address is a URL's host and port.
func address(url string) string { return strings.TrimPrefix(url, "http://") }

const megabyte = 1 << 20

// origin is a backend for all kinds of load: small, medium and large responses, one that comes only
// once its client has gone, and one that tells how large the body was.
func origin(t *testing.T) *httptest.Server {
	large := strings.Repeat("0123456789abcdef", megabyte/16)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, large) })
	mux.HandleFunc("/medium", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, large[:100<<10]) })
	mux.HandleFunc("/hold", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprint(w, n)
	})
	backend := httptest.NewServer(mux)
	t.Cleanup(backend.Close)
	return backend
}
