package proxy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's, for as long as the process lives.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.refreshServerDate"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// It ends when it next looks, up to KeepAlive after the last connection was closed.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
	)
}

// patience bounds what must happen soon; nothing waits for it to pass.
const patience = 10 * time.Second

// proxied is a proxy that listens, in front of backends.
type proxied struct {
	*Proxy
	t    *testing.T
	addr string
	pool *fakePool
	log  *logBuffer
}

// setup is what a test's proxy is made of: one route for all requests, unless the Snapshot has
// others. With a limiter, a limit of this name and key is used.
type setup struct {
	Snapshot
	Route Route
	Limit string
	Key   identity.Key
}

// settings are what tests start from: timeouts that none of them reaches.
func settings() setup {
	return setup{
		Snapshot: Snapshot{
			Clients:   netconn.ClientLimits{Header: time.Minute, Idle: time.Minute, Read: time.Minute, Write: time.Minute},
			MaxHeader: 16 << 10,
			Log:       outcome.Log{Access: true},
		},
		Route: Route{Destination: Destination{Retry: Retry{Retry: balancer.Retry{Most: 1}}}},
	}
}

// proxy makes the proxy.
func (s setup) proxy(pool Pool, l aLimiter, log io.Writer) *Proxy {
	s.Log.JSON = zerolog.LevelWriterAdapter{Writer: log}
	if s.Routes == nil {
		s.Route.Pool = pool
		if l != nil {
			s.Route.Limits, s.Route.Take = []LimitUse{NewLimitUse(s.Limit, s.Key, nil)}, l.Take
		}
		s.Routes = OneRoute(&s.Route)
	}
	return New(&s.Snapshot, zerolog.New(log))
}

func connectionSettings() ConnectionSettings {
	return ConnectionSettings{
		Timeouts:          netconn.BackendLimits{Connect: patience, Response: time.Minute, Idle: time.Minute},
		KeepAlive:         time.Minute,
		MaxResponseHeader: 64 << 10,
	}
}

// startProxy starts a proxy, which ends with the test.
func startProxy(t *testing.T, s setup, pool *fakePool, l aLimiter) *proxied {
	t.Helper()
	return startProxyAs(t, s, pool, l, Listener{})
}

// startProxyAs is startProxy for clients that are served as how says.
func startProxyAs(t *testing.T, s setup, pool *fakePool, l aLimiter, how Listener) *proxied {
	t.Helper()
	log := &logBuffer{}
	p := s.proxy(pool, l, log)
	return &proxied{Proxy: p, t: t, addr: runAs(t, p, pool, how), pool: pool, log: log}
}

// run has a proxy serve until the test ends, when nothing may be left of any request.
func run(t testing.TB, p *Proxy, pool *fakePool) (addr string) {
	t.Helper()
	return runAs(t, p, pool, Listener{})
}

func runAs(t testing.TB, p *Proxy, pool *fakePool, how Listener) (addr string) {
	t.Helper()
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln, how) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		assert.NoError(t, shutDown(ctx, p))
		assert.NoError(t, <-served)
		for _, b := range pool.backends {
			hostClientOf(b).closeKept()
		}
		st := p.Stats()
		assert.Zero(t, st.InFlight, "%+v", st)
		assert.Zero(t, st.Connections)
		for _, b := range pool.balancers {
			for _, s := range b.Status() {
				assert.Zero(t, s.InFlight, s.URL)
			}
		}
	})
	return ln.Addr().String()
}

// shutDown ends a proxy's intake, and waits for what is relayed until ctx ends.
func shutDown(ctx context.Context, p *Proxy) error {
	err := p.Close(ctx)
	return cmp.Or(p.Wait(ctx), err)
}

// streamsTo is proxyTo with streams that wrap makes. Connections end with their request.
func streamsTo(t *testing.T, addr string, wrap func(*h1.Turn) Stream) *proxied {
	t.Helper()
	s, pool, log := settings(), poolOf(t, connectionSettings(), addr), &logBuffer{}
	p := s.proxy(pool, nil, log)
	p.http1 = h1.NewServer(
		h1.Settings{MaxHeader: s.MaxHeader, Contain: p.record.Contain, WantsClose: func() bool { return true }},
		func(turn *h1.Turn) h1.Handler { return newRequest(&p.shared, wrap(turn)) },
	)
	return &proxied{Proxy: p, t: t, addr: run(t, p, pool), pool: pool, log: log}
}

// proxyTo starts a proxy with one backend per address.
func proxyTo(t *testing.T, addrs ...string) *proxied {
	t.Helper()
	return startProxy(t, settings(), poolOf(t, connectionSettings(), addrs...), nil)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return ln
}

// logBuffer is what was logged, and can be waited for.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.buf.String(), "\n"), "\n")
}

// fakePool is a pool of backends that were found healthy once, and aren't probed again.
type fakePool struct {
	backends []*balancer.Backend
	// balancers has the pool, if there are backends.
	balancers []*balancer.Pool
	// none reports whether no backend is healthy.
	none atomic.Bool
	// panics has Pick panic.
	panics atomic.Bool
}

func (p *fakePool) Full() bool { return p.balancers[0].Full() }

func (p *fakePool) Healthy() bool {
	if p.panics.Load() {
		panic("picking went wrong")
	}
	return len(p.backends) > 0 && !p.none.Load()
}

func (p *fakePool) Attempts(c balancer.Client, r balancer.Retry) balancer.Attempts {
	return p.balancers[0].Attempts(c, r)
}

// poolOf makes a pool of backends at addresses on which something listens.
func poolOf(t testing.TB, s ConnectionSettings, addrs ...string) *fakePool {
	t.Helper()
	return boundedPoolOf(t, s, 100, 1, addrs...)
}

// boundedPoolOf is poolOf, with so many connections to each backend, and a client's share of them.
func boundedPoolOf(t testing.TB, s ConnectionSettings, connections int, share float64, addrs ...string) *fakePool {
	t.Helper()
	var backends []balancer.BackendSettings
	for _, addr := range addrs {
		backends = append(backends, balancer.BackendSettings{URL: "http://" + addr, Addr: addr, Weight: 1, State: balancer.Ready})
	}
	return probed(t, balancer.Settings{
		Name:     "test",
		Backends: backends,
		Health: balancer.HealthSettings{
			Type: balancer.HealthTCP, Interval: time.Minute, Timeout: patience, Rise: 1, Fall: 1,
		},
		NewProber:      NewBackends(s).New,
		MaxConnections: connections,
		ClientShare:    share,
		Logger:         zerolog.Nop(),
	})
}

// probed makes a pool and probes its backends, which must all be healthy.
func probed(t testing.TB, s balancer.Settings) *fakePool {
	t.Helper()
	pool := balancer.NewPool(s)
	pool.Probe(t.Context())
	p := &fakePool{balancers: []*balancer.Pool{pool}}
	for i := range s.Backends {
		require.True(t, pool.Status()[i].Healthy, "%+v", pool.Status()[i])
	}
	for key := uint64(0); len(p.backends) < len(s.Backends); key++ {
		attempts := pool.Attempts(balancer.Client{Key: key * 0x9e3779b97f4a7c15}, balancer.Retry{})
		a, err := attempts.Next()
		require.NoError(t, err)
		a.End(balancer.Result{})
		if !slices.Contains(p.backends, a.Backend) {
			p.backends = append(p.backends, a.Backend)
		}
	}
	return p
}

// aLimiter takes for routes with one limit.
type aLimiter interface {
	Take(uses []limiter.Use) (allowed bool)
}

// fakeLimiter lets so many requests pass.
type fakeLimiter struct {
	left atomic.Int64
	mu   sync.Mutex
	ids  []string
	// decision is what it says each time, if it isn't nil.
	decision *limiter.Decision
}

func (l *fakeLimiter) Take(uses []limiter.Use) bool {
	u := &uses[0]
	l.mu.Lock()
	l.ids = append(l.ids, strings.Clone(u.ClientID))
	l.mu.Unlock()
	if l.decision != nil {
		u.Decision = *l.decision
		return u.Decision.Allowed
	}
	left := l.left.Add(-u.Cost)
	u.Decision = limiter.Decision{
		Allowed:    left >= 0,
		Remaining:  max(0, left),
		RetryAfter: time.Second,
		Settings:   &gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Second}},
	}
	return u.Decision.Allowed
}

func (l *fakeLimiter) taken() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.ids...)
}

// backend is a server that does with each connection what the test says, byte by byte.
type backend struct {
	t    *testing.T
	ln   net.Listener
	addr string
	// conns counts the connections on which something was sent.
	conns atomic.Int64
}

// conn is a connection of a backend, or of a client.
type conn struct {
	net.Conn
	t  *testing.T
	br *bufio.Reader
}

// startBackend starts a backend that serves its connections. serve gets those that send something.
func startBackend(t *testing.T, serve func(c *conn, nth int)) *backend {
	t.Helper()
	return serveOn(t, listen(t), serve)
}

// serveOn is startBackend on a listener.
func serveOn(t *testing.T, ln net.Listener, serve func(c *conn, nth int)) *backend {
	t.Helper()
	b := &backend{t: t, ln: ln}
	b.addr = b.ln.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := b.ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				c := &conn{Conn: c, t: t, br: bufio.NewReader(c)}
				if _, err := c.br.Peek(1); err == nil {
					serve(c, int(b.conns.Add(1)))
				}
			})
		}
	})
	t.Cleanup(func() {
		b.ln.Close()
		running.Wait()
	})
	return b
}

// answering is a backend that gives each request the same response and notes what it got.
func answering(t *testing.T, answer string) (*backend, *requests) {
	t.Helper()
	var got requests
	return startBackend(t, func(c *conn, _ int) {
		for {
			req := c.readRequest()
			if req == "" {
				return
			}
			got.add(req)
			if !c.send(answer) {
				return
			}
		}
	}), &got
}

// requests are what a backend got, raw.
type requests struct {
	mu  sync.Mutex
	all []string
}

func (r *requests) add(raw string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, raw)
}

func (r *requests) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.all...)
}

// dial connects to the proxy. The connection ends with the test.
func (p *proxied) dial() *conn {
	p.t.Helper()
	c, err := net.DialTimeout("tcp", p.addr, patience)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { c.Close() })
	return &conn{Conn: c, t: p.t, br: bufio.NewReader(c)}
}

// send writes text, and reports whether that went well.
func (c *conn) send(text string) bool {
	_, err := io.WriteString(c.Conn, text)
	return err == nil
}

// readHead reads up to the empty line, raw; "" at the end of the connection.
func (c *conn) readHead() string {
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return ""
		}
		head.WriteString(line)
	}
	return head.String()
}

// readRequest reads a request, raw; "" if there is no complete one.
func (c *conn) readRequest() string {
	head := c.readHead()
	if head == "" {
		return ""
	}
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if !assert.NoError(c.t, err) {
		return ""
	}
	var body []byte
	if req.ContentLength < 0 {
		body = c.readChunks()
	} else {
		body = make([]byte, req.ContentLength)
		_, err = io.ReadFull(c.br, body)
	}
	if err != nil || body == nil {
		return ""
	}
	return head + string(body)
}

// readChunks reads a chunked body, raw, without trailers.
func (c *conn) readChunks() []byte {
	var raw bytes.Buffer
	for !bytes.HasSuffix(raw.Bytes(), []byte("0\r\n\r\n")) {
		b, err := c.br.ReadByte()
		if err != nil {
			return nil
		}
		raw.WriteByte(b)
	}
	return raw.Bytes()
}

// expect reads exactly text.
func (c *conn) expect(text string) {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, len(text))
	n, err := io.ReadFull(c.br, buf)
	require.Equal(c.t, text, string(buf[:n]))
	require.NoError(c.t, err)
}

// expectEnd reads up to the end of the connection, which must come cleanly and with nothing before
// it.
func (c *conn) expectEnd() {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
	rest, err := io.ReadAll(c.br)
	require.NoError(c.t, err)
	require.Empty(c.t, string(rest))
}

// answer is a response as a client reads it.
type answer struct {
	*http.Response
	body string
	// err is what reading the body failed with.
	err error
}

// readAnswer reads the response to a request with this method.
func (c *conn) readAnswer(method string) answer {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	require.NoError(c.t, err)
	body, err := io.ReadAll(resp.Body)
	return answer{resp, string(body), err}
}

// do sends a request, raw, and reads the response, past interim ones.
func (c *conn) do(request string) answer {
	c.t.Helper()
	require.True(c.t, c.send(request))
	method, _, _ := strings.Cut(request, " ")
	for {
		if a := c.readAnswer(method); a.StatusCode >= 200 || a.StatusCode == 101 {
			return a
		}
	}
}

// isProblem checks that the response is a problem of ours, and keeps the backends to itself.
func (p *proxied) isProblem(a answer, status int, name string) {
	p.t.Helper()
	require.Equal(p.t, status, a.StatusCode, a.body)
	require.NoError(p.t, a.err)
	require.Equal(p.t, "application/problem+json", a.Header.Get("Content-Type"))
	if a.Request.Method != "HEAD" {
		require.Contains(p.t, a.body, name)
		require.True(p.t, strings.HasSuffix(a.body, "\n"), "a shell's prompt comes on a line of its own")
		require.EqualValues(p.t, len(a.body), a.ContentLength)
	}
	for _, b := range p.pool.backends {
		require.NotContains(p.t, a.body, b.Addr())
	}
}

// allowAll is a limiter that keeps nothing.
type allowAll struct{}

func (allowAll) Take(uses []limiter.Use) bool {
	uses[0].Decision = limiter.Decision{Allowed: true}
	return true
}
