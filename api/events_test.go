package api

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api/live"
	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/meter"
)

// durations are n requests that took about as long as d.
func durations(n int, d time.Duration) (of meter.Distribution) {
	var h meter.Histogram
	for range n {
		h.Observe(d)
	}
	h.AddTo(&of)
	return of
}

// traffic0 is what a proxy counted of one route.
func traffic0(ok, failed int64, all meter.Distribution) Counts {
	return Counts{Traffic: []Traffic{{
		Route: "shop", Pool: "web", Durations: [6]meter.Distribution{2: all},
		Requests: []RequestCount{{"GET", "200", ok}, {"POST", "502", failed}},
	}}}
}

// A sample has what changed since the one before, and the points what there is of all routes.
func TestSamples(t *testing.T) {
	fake := &fakeLimiter{stats: limiter.Stats{}}
	sources := newSources(fake)
	counted := traffic0(100, 1, durations(101, time.Millisecond))
	status := Status{}
	sources.Counts = func() Counts { return counted }
	sources.Status = func() Status { return status }
	backend := balancer.BackendStatus{Pool: "web", URL: "http://b", Measured: balancer.Measured{Latency: durations(1000, time.Second)}}
	sources.Backends = func() []balancer.BackendStatus { return []balancer.BackendStatus{backend} }
	pool := "web"
	sources.Routes = func() []Route { return []Route{{Name: "shop", Host: "shop.example", Pool: &pool}} }
	s := New(Settings{}, sources, zerolog.Nop())
	at := time.UnixMilli(1_000_000)
	take := func(after time.Duration) {
		at = at.Add(after)
		require.NoError(t, s.sampler.take(s.current.Load(), at))
	}
	take(0) // It is compared with nothing.
	counted = traffic0(110, 1, durations(111, time.Millisecond))
	take(time.Second)

	w := s.sampler.feed.Watch(1)
	defer w.Close()
	require.Len(t, w.History(), 1)
	assert.Equal(t, map[string]int64{"2xx": 10}, w.History()[0].Responses)
	assert.EqualValues(t, 1, w.History()[0].Seconds)

	before := durations(111, time.Millisecond)
	slow := durations(30, 80*time.Millisecond)
	slow.Add(&before)
	counted = traffic0(120, 21, slow)
	status.Requests.Limited = 7
	take(2 * time.Second)
	first, err := w.Next(t.Context())
	require.NoError(t, err)
	assert.Equal(t, live.Point{
		At: at.UnixMilli(), Seconds: 2, Responses: map[string]int64{"2xx": 10, "5xx": 20}, Limited: 7,
		P50: first.Point.P50, P99: first.Point.P99,
	}, first.Point)
	assert.InDelta(t, 0.0875, first.Point.P50, 0.013)
	assert.Contains(t, first.Patch, "status")
	route := first.Patch["routes"].(live.State)["shop"].(live.State)
	assert.Equal(t, "shop.example", route["host"])
	assert.Equal(t, []any{"web"}, route["pools"])

	of := first.Patch["backends"].(live.State)["web/http://b"].(live.State)
	assert.Equal(t, json.Number("0"), of["p50"], "before it was watched is no news")

	slower := durations(5, 20*time.Millisecond)
	backend.Latency.Add(&slower)
	take(time.Second)
	fresh, err := w.Next(t.Context())
	require.NoError(t, err)
	p99, err := fresh.Patch["backends"].(live.State)["web/http://b"].(live.State)["p99"].(json.Number).Float64()
	require.NoError(t, err)
	assert.InDelta(t, 0.0175, p99, 0.0075)

	assert.Equal(t, live.State{"p50": json.Number("0"), "p99": json.Number("0")}, fresh.Patch["routes"].(live.State)["shop"])
	take(time.Second) // It was slow no more.
	_, err = w.Next(t.Context())
	require.NoError(t, err)
	take(time.Second) // Nothing has happened.
	second, err := w.Next(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, second.Patch, "backends")
	assert.Empty(t, second.Point.Responses)
}

// event reads the next one of a stream.
func event(t *testing.T, stream *bufio.Reader, data any) (name string) {
	t.Helper()
	for {
		line, err := stream.ReadString('\n')
		require.NoError(t, err)
		if named, ok := strings.CutPrefix(line, "event: "); ok {
			name = strings.TrimSpace(named)
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			require.NoError(t, json.Unmarshal([]byte(text), data))
			return name
		}
	}
}

// watch begins to read GET /events.
func (r *running) watch(t *testing.T, token string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := r.ln.Dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = conn.Write([]byte(request{method: "GET", target: "/events", header: []string{"Authorization: Bearer " + token}}.raw()))
	require.NoError(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode)
	assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	return conn, bufio.NewReader(response.Body)
}

// A stream has the history, then all there is, then what changes. It ends with the configuration
// that let its reader in.
func TestEvents(t *testing.T) {
	r := start(t, withToken)
	_, stream := r.watch(t, "s3cret")
	var points []live.Point
	require.Equal(t, "history", event(t, stream, &points))
	var change live.Change
	require.Equal(t, "change", event(t, stream, &change))
	assert.Equal(t, "v1.2.3", change.Patch["status"].(map[string]any)["version"])
	assert.Contains(t, change.Patch["backends"], "a/b")
	assert.Equal(t, "ready", change.Patch["ready"])

	r.server.Configure(Settings{Token: "other", WriteTimeout: time.Minute}, newSources(r.fake))
	_, err := stream.ReadString(0)
	require.Error(t, err, "it has ended")
	r.do(t, request{method: "HEAD", target: "/events", header: []string{"Authorization: Bearer other"}})
}

// There is a bound to the streams, and one that ends makes room.
func TestEventsAreBounded(t *testing.T) {
	r := start(t, nil)
	var last net.Conn
	var stream *bufio.Reader
	for range mostWatchers {
		last, stream = r.watch(t, "")
	}
	r.do(t, request{method: "GET", target: "/events"}).problem(t, 429, "too-many-streams")
	var points []live.Point
	event(t, stream, &points)
	last.Close()
	require.Eventually(t, func() bool {
		w := r.server.sampler.feed.Watch(mostWatchers)
		if w != nil {
			w.Close()
		}
		return w != nil
	}, 10*time.Second, 10*time.Millisecond)
	r.watch(t, "")
}
