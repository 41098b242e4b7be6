//go:build linux && e2e

package h2

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"

	"gopher-equalizer/bench/lab/h2/raw"
)

// specCases is how many cases h2spec has: 145, and one that it runs only if asked to be strict.
const specCases = 146

// badPreface is a case that in clear, where a client may begin with either protocol, has another
// outcome: what isn't HTTP/2's preface is a request of HTTP/1 (RFC 9113, section 3.4).
const badPreface = "http2/3.5/2: Sends invalid connection preface"

// eachCase calls f with every case of h2spec and its name.
func eachCase(f func(name string, c *spec.TestCase)) {
	var walk func(*spec.TestGroup)
	walk = func(g *spec.TestGroup) {
		for i, c := range append(g.Tests, g.StrictTests...) {
			f(fmt.Sprintf("%s/%d: %s", g.ID(), i+1, c.Desc), c)
		}
		for _, below := range g.Groups {
			walk(below)
		}
	}
	for _, g := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		walk(g)
	}
}

// specTarget is what h2spec connects to.
func specTarget(t *testing.T, to raw.Target) *config.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(to.Address)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return &config.Config{Host: host, Port: n, Path: "/medium", Timeout: 2 * time.Second, MaxHeaderLen: 4000, TLS: to.TLS != nil, Insecure: true, Strict: true}
}

// runCase runs a case of h2spec. The error is how it failed.
func runCase(c *spec.TestCase, at *config.Config) error {
	conn, err := spec.Dial(at)
	if err != nil {
		return err
	}
	defer conn.Close()
	return c.Run(at, conn)
}

// isHTTP1 sends bytes in clear, which get a response by HTTP/1, and the end of the connection.
func isHTTP1(t *testing.T, to raw.Target, text, want string) {
	t.Helper()
	conn, err := net.Dial("tcp", to.Address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, text)
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(got), want), "%q", got)
}

// The binary passes all of h2spec, by TLS and in clear.
func TestSpec(t *testing.T) {
	s := startServer(t, programs.racy, address(origin(t).URL), "")
	for by, to := range s.targets() {
		t.Run(by, func(t *testing.T) {
			at, cases := specTarget(t, to), 0
			eachCase(func(name string, c *spec.TestCase) {
				cases++
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					if name == badPreface && to.TLS == nil {
						isHTTP1(t, to, "INVALID CONNECTION PREFACE\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n")
						return
					}
					assert.NoError(t, runCase(c, at), c.Requirement)
				})
			})
			assert.Equal(t, specCases, cases)
		})
	}
}

// A server that takes everything fails cases of each kind.
func TestSpecFindsFaults(t *testing.T) {
	to, _ := startGullible(t)
	at := specTarget(t, to)
	at.Timeout = 200 * time.Millisecond
	var mu sync.Mutex
	failed := map[string]int{}
	var running sync.WaitGroup
	eachCase(func(name string, c *spec.TestCase) {
		running.Go(func() {
			if runCase(c, at) == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			kind, _, _ := strings.Cut(name, "/")
			failed[kind]++
		})
	})
	running.Wait()
	for _, kind := range []string{"generic", "http2", "hpack"} {
		assert.Positive(t, failed[kind], kind)
	}
}
