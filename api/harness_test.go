package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// fakeLimiter returns what a test wants, and notes what it was asked.
type fakeLimiter struct {
	snap    limiter.Snapshot
	before  *limiter.Snapshot
	page    []limiter.Snapshot
	more    bool
	err     error
	panics  bool
	deleted int
	stats   limiter.Stats

	mu        sync.Mutex
	calls     []string
	deadlines []time.Duration
}

func (f *fakeLimiter) note(call string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.TrimSpace(fmt.Sprintln(append([]any{call}, args...)...)))
	if f.panics {
		panic("fell over secret-client")
	}
}

func (f *fakeLimiter) noteWrite(ctx context.Context, call, clientID string, c limiter.Change) {
	if at, ok := ctx.Deadline(); ok {
		f.mu.Lock()
		f.deadlines = append(f.deadlines, time.Until(at))
		f.mu.Unlock()
	}
	f.note(call, fmt.Sprintf("%q", clientID), changeText(c))
}

func changeText(c limiter.Change) string {
	var parts []string
	if c.Capacity != nil {
		parts = append(parts, fmt.Sprint("capacity=", *c.Capacity))
	}
	if c.Tokens != nil {
		parts = append(parts, fmt.Sprint("tokens=", *c.Tokens))
	}
	if c.Refill != nil {
		parts = append(parts, fmt.Sprint("refill=", c.Refill))
	}
	return strings.Join(parts, " ")
}

func queryText(q limiter.Query) string {
	text := fmt.Sprintf("{After:%s Offset:%d Limit:%d", q.After.ClientID, q.Offset, q.Limit)
	if q.Prefix != "" {
		text += " Prefix:" + q.Prefix
	}
	if q.Managed != nil {
		text += fmt.Sprint(" Managed:", *q.Managed)
	}
	return text + "}"
}

func (f *fakeLimiter) takeCalls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *fakeLimiter) Get(_, clientID string) (limiter.Snapshot, error) {
	f.note("Get", fmt.Sprintf("%q", clientID))
	return f.snap, f.err
}

func (f *fakeLimiter) List(q limiter.Query) ([]limiter.Snapshot, bool, error) {
	f.note("List", queryText(q))
	return f.page, f.more, f.err
}

func (f *fakeLimiter) Stats() limiter.Stats { return f.stats }

func (f *fakeLimiter) Create(ctx context.Context, _, clientID string, c limiter.Change, only ...limiter.Condition) (limiter.Written, error) {
	f.noteWrite(ctx, "Create", clientID, c)
	return f.written(only)
}

func (f *fakeLimiter) Put(ctx context.Context, _, clientID string, c limiter.Change, only ...limiter.Condition) (limiter.Written, error) {
	f.noteWrite(ctx, "Put", clientID, c)
	return f.written(only)
}

func (f *fakeLimiter) Patch(ctx context.Context, _, clientID string, c limiter.Change, only ...limiter.Condition) (limiter.Written, error) {
	f.noteWrite(ctx, "Patch", clientID, c)
	return f.written(only)
}

func (f *fakeLimiter) Delete(ctx context.Context, _, clientID string, only ...limiter.Condition) (limiter.Snapshot, error) {
	f.noteWrite(ctx, "Delete", clientID, limiter.Change{})
	if err := f.hold(only); err != nil {
		return limiter.Snapshot{}, err
	}
	if f.before == nil {
		return limiter.Snapshot{}, f.err
	}
	return *f.before, f.err
}

func (f *fakeLimiter) DeleteManaged(_ context.Context, limit string) (int, error) {
	f.note("DeleteManaged", fmt.Sprintf("%q", limit))
	return f.deleted, f.err
}

// hold holds the bucket of before against conditions.
func (f *fakeLimiter) hold(only []limiter.Condition) error {
	for _, c := range only {
		if err := c(f.before); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeLimiter) written(only []limiter.Condition) (limiter.Written, error) {
	if err := f.hold(only); err != nil {
		return limiter.Written{}, err
	}
	return limiter.Written{Snapshot: f.snap, Before: f.before}, f.err
}

// sampleBucket is the one of the design.
func sampleBucket() limiter.Snapshot {
	return limiter.Snapshot{
		ClientID: "test1234", Limit: "default",
		Settings: gcra.Settings{Capacity: 15, Refill: gcra.Refill{Amount: 1, Per: time.Minute}},
		Tokens:   5, Managed: true,
		LastRefill: time.Date(2026, 11, 23, 8, 21, 2, 411_999_000, time.FixedZone("CET", 3600)),
	}
}

const sampleJSON = `{"client_id":"test1234","limit":"default","capacity":15,"tokens":5,"refill":"1/1m","managed":true,"last_refill":"2026-11-23T07:21:02.411Z"}` + "\n"

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// running is a Server on a listener in memory.
type running struct {
	server *Server
	fake   *fakeLimiter
	ln     *fasthttputil.InmemoryListener
	logs   *syncBuffer
}

func newSources(fake *fakeLimiter) Sources {
	return Sources{
		Reader: fake,
		Writer: fake,
		Limits: []Limit{{
			Name: "default", Key: "ip", Durability: "interval",
			Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}},
		}},
		Backends:      func() []balancer.BackendStatus { return []balancer.BackendStatus{{Pool: "a", URL: "b"}} },
		BackendWriter: &fakeBackends{},
		Config:        func() any { return map[string]any{} },
		Pending:       func() (Reloaded, error) { return Reloaded{}, nil },
		Reloader:      &fakeReloader{},
		Status:        func() Status { return Status{} },
		Ready:         func() Readiness { return Ready },
	}
}

// start serves until the test ends. change may change what is served. The test becomes parallel,
// since fasthttp takes 100 ms to stop.
func start(t *testing.T, change func(*Settings, *Sources)) *running {
	t.Helper()
	t.Parallel()
	r := &running{fake: &fakeLimiter{snap: sampleBucket()}, ln: fasthttputil.NewInmemoryListener(), logs: &syncBuffer{}}
	settings := Settings{Version: "v1.2.3", WriteTimeout: time.Minute}
	sources := newSources(r.fake)
	if change != nil {
		change(&settings, &sources)
	}
	r.server = New(settings, sources, zerolog.New(r.logs))
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(r.ln) }()
	t.Cleanup(func() {
		require.NoError(t, r.server.Shutdown(context.Background()))
		require.NoError(t, <-served)
	})
	return r
}

// request is one HTTP request, as it goes over the wire.
type request struct {
	method, target string
	header         []string // "Name: value"; Host and Content-Type have defaults
	body           string
}

func (r request) raw() string {
	lines := []string{r.method + " " + r.target + " HTTP/1.1"}
	if !r.has("host") {
		lines = append(lines, "Host: localhost:8080")
	}
	if r.body != "" || r.method == "POST" || r.method == "PUT" || r.method == "PATCH" {
		lines = append(lines, fmt.Sprint("Content-Length: ", len(r.body)))
		if !r.has("content-type") {
			lines = append(lines, "Content-Type: application/json")
		}
	}
	lines = append(lines, r.header...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + r.body
}

func (r request) has(name string) bool {
	for _, h := range r.header {
		if given, _, _ := strings.Cut(h, ":"); strings.EqualFold(given, name) {
			return true
		}
	}
	return false
}

// reply is what came back.
type reply struct {
	status int
	header *fasthttp.ResponseHeader
	body   string
}

func (r reply) get(name string) string { return string(r.header.Peek(name)) }

func (r *running) do(t *testing.T, req request) reply {
	t.Helper()
	return r.raw(t, req.method == "HEAD", req.raw())
}

// raw sends bytes on a connection of their own, and reads one response, which must keep the rules
// that hold for all responses.
func (r *running) raw(t *testing.T, isHead bool, bytes string) reply {
	t.Helper()
	conn, err := r.ln.Dial()
	require.NoError(t, err)
	defer conn.Close()
	return exchange(t, conn, isHead, bytes)
}

func exchange(t *testing.T, conn net.Conn, isHead bool, bytes string) reply {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	written := make(chan struct{})
	go func() { // the server may respond, and close, before it has read everything
		defer close(written)
		_, _ = conn.Write([]byte(bytes))
	}()
	defer func() { conn.Close(); <-written }()
	var resp fasthttp.Response
	resp.SkipBody = isHead
	require.NoError(t, resp.Read(bufio.NewReader(conn)))
	got := reply{status: resp.StatusCode(), header: &resp.Header, body: string(resp.Body())}

	assert.Equal(t, "no-store", got.get("Cache-Control"))
	assert.Equal(t, "nosniff", got.get("X-Content-Type-Options"))
	assert.Empty(t, got.get("Server"))
	assert.Empty(t, got.get("Access-Control-Allow-Origin"))
	if got.body != "" {
		assert.True(t, strings.HasSuffix(got.body, "\n"), "a shell's prompt comes on a line of its own")
		assert.Equal(t, len(got.body), got.header.ContentLength())
	}
	if got.status >= 400 {
		assert.Equal(t, "application/problem+json", got.get("Content-Type"))
	}
	return got
}

// problem checks that the reply is a problem of this status and type, and returns it.
func (r reply) problem(t *testing.T, status int, name string) map[string]any {
	t.Helper()
	var p map[string]any
	require.Equal(t, status, r.status, r.body)
	require.NoError(t, json.Unmarshal([]byte(r.body), &p), r.body)
	assert.Equal(t, "urn:gopher-equalizer:"+name, p["type"])
	assert.EqualValues(t, status, p["status"])
	assert.NotEmpty(t, p["title"])
	assert.NotEmpty(t, p["detail"])
	return p
}
