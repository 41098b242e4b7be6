//go:build unix

package proxy

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manySockets is how many WebSockets are open at once in the test below, file limit permitting.
const manySockets = 4000

// socketsAllowed is how many can be. Each takes a descriptor at its client and one at its server,
// and two here.
func socketsAllowed(t *testing.T) int {
	t.Helper()
	const each, others = 4, 500
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = limit.Max
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	n := int(min(manySockets, (uint64(limit.Cur)-others)/each))
	if n < manySockets {
		t.Logf("%d WebSockets instead of %d: the file limit is %d", n, manySockets, limit.Cur)
	}
	return n
}

// pairs are the two ends of many WebSockets that lead through the proxy.
type pairs struct {
	t                *testing.T
	clients, servers []*websocket.Conn
	accepted         []chan *websocket.Conn
}

func newPairs(t *testing.T, n int) *pairs {
	p := &pairs{t: t, clients: make([]*websocket.Conn, n), servers: make([]*websocket.Conn, n), accepted: make([]chan *websocket.Conn, n)}
	for i := range n {
		p.accepted[i] = make(chan *websocket.Conn, 1)
	}
	return p
}

// accept is the server's handler. It keeps the connection without a goroutine.
func (p *pairs) accept(w http.ResponseWriter, r *http.Request) {
	i, err := strconv.Atoi(r.URL.Path[1:])
	if !assert.NoError(p.t, err) {
		return
	}
	if c, err := websocket.Accept(w, r, nil); assert.NoError(p.t, err) {
		p.accepted[i] <- c
	}
}

// open opens one, through a proxy.
func (p *pairs) open(ctx context.Context, through *proxied, tr *http.Transport, i int) (err error) {
	if p.clients[i], err = through.openSocket(ctx, tr, fmt.Sprintf("/%d", i), &websocket.DialOptions{}); err != nil {
		return err
	}
	select {
	case p.servers[i] = <-p.accepted[i]:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// each does something with all of them, some at a time, and stops at the first that fails.
func (p *pairs) each(do func(i int) error) {
	p.t.Helper()
	const workers = 8 // Each has goroutines while it opens one: see alone
	var running sync.WaitGroup
	for w := range workers {
		running.Go(func() {
			for i := w; i < len(p.clients) && !p.t.Failed(); i += workers {
				assert.NoError(p.t, do(i), "WebSocket %d", i)
			}
		})
	}
	running.Wait()
	require.False(p.t, p.t.Failed())
}

// pass sends a message from one end to the other.
func pass(ctx context.Context, from, to *websocket.Conn, text string) error {
	if err := from.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	_, got, err := to.Read(ctx)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if string(got) != text {
		return fmt.Errorf("got %q; want %q", got, text)
	}
	return nil
}

// alone reports whether the test has a process of its own, and runs it in one if not. The race
// detector bears 8,128 goroutines. The tunnels take nearly all of them, and other tests leave some
// behind for a while.
func alone(t *testing.T) bool {
	t.Helper()
	const marker = "EQUALIZER_TEST_ALONE"
	if os.Getenv(marker) == t.Name() {
		return true
	}
	binary, err := os.Executable()
	require.NoError(t, err)
	test := exec.CommandContext(t.Context(), binary, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=3m")
	test.Env = append(os.Environ(), marker+"="+t.Name())
	output, err := test.CombinedOutput()
	t.Logf("%s", output)
	require.NoError(t, err)
	return false
}

func TestManyWebSockets(t *testing.T) { relayMany(t, 400) }

func relayMany(t *testing.T, most int) {
	t.Helper()
	if !alone(t) {
		return
	}
	n := min(most, socketsAllowed(t))
	all := newPairs(t, n)
	addr := serveHTTP(t, all.accept)
	p := startProxy(t, settings(), boundedPoolOf(t, connectionSettings(), n, 1, addr), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 12*patience)
	defer cancel()
	tr := newTransport(t)
	defer all.end()
	all.each(func(i int) error { return all.open(ctx, p, tr, i) })
	assert.EqualValues(t, n, p.Stats().InFlight)
	t.Logf("%d WebSockets, %d goroutines", n, runtime.NumGoroutine())
	for round := range 2 {
		all.each(func(i int) error {
			if err := pass(ctx, all.clients[i], all.servers[i], fmt.Sprintf("to %d, round %d", i, round)); err != nil {
				return err
			}
			return pass(ctx, all.servers[i], all.clients[i], fmt.Sprintf("from %d, round %d", i, round))
		})
	}
	all.end()
	require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, 3*patience, 10*time.Millisecond)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
}

// end cuts them, from either side.
func (p *pairs) end() {
	for i := range p.clients {
		first, second := p.clients[i], p.servers[i]
		if i%2 == 0 {
			first, second = second, first
		}
		for _, c := range []*websocket.Conn{first, second} {
			if c != nil {
				_ = c.CloseNow()
			}
		}
	}
}
