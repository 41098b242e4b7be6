package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/api/live"
)

// streamed is an admin API that responds to each reading of a stream with the next of these, and
// to those behind them with 401.
func streamed(t *testing.T, path string, streams ...string) (address string) {
	t.Helper()
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, path, r.RequestURI)
		if len(streams) == 0 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"detail":"no token"}`))
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(streams[0]))
		streams = streams[1:]
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func sse(name string, data any) string {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("event: %s\ndata: %s\n\n", name, text)
}

// Lines go on over the end of a stream, which a reload ends. Those that are left out are counted.
func TestTailCommand(t *testing.T) {
	line := map[string]any{"level": "info", "status": 429, "request": map[string]any{"method": "GET", "uri": "/a", "host": "b", "client_ip": "192.0.2.1"}, "msg": "request", "reason": "limited"}
	serve := func() string {
		return streamed(t, "/tail?min_duration=1s&status=4xx", sse("left_out", map[string]int{"requests": 7})+sse("line", line))
	}
	s := inShell(t, nil, "tail", "--status", "4xx", "--min-duration", "1s", "--admin", serve())
	assert.Equal(t, 1, s.code)
	assert.Regexp(t, `^\S* INFO +429 .*192\.0\.2\.1 +GET +b/a .*reason=limited\n$`, s.stdout.String())
	assert.Equal(t, "equalizer: 7 requests more, which have no line\n"+"equalizer: the stream has ended; trying again\n"+
		"equalizer: no token; want it in EQUALIZER_ADMIN_TOKEN, --token-file or the configuration\n", hintless(s.stderr.String()))

	s = inShell(t, nil, "tail", "--status", "4xx", "--min-duration", "1s", "--json", "--admin", serve())
	want, err := json.Marshal(line)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(s.stdout.String(), string(want)+"\n"), s.stdout.String())
	assert.Equal(t, 2, inShell(t, nil, "tail", "extra").code)
}

// hintless is what a command says, with one wording of what to do without a token.
func hintless(text string) string {
	return regexp.MustCompile(`equalizer: no token.*`).ReplaceAllString(text, "equalizer: no token; want it in EQUALIZER_ADMIN_TOKEN, --token-file or the configuration")
}

// sampled are two samples of a process with a backend that is down and a client that is limited.
func sampled(from int64) string {
	backend := func(url string, healthy bool, requests int) map[string]any {
		return map[string]any{
			"id": "web/" + url, "pool": "web", "url": url, "state": "ready", "healthy": healthy, "requests": requests,
			"last_probe": "connection \x1b[31m refused", "last_probe_at": "2026-11-29T07:00:00.000Z",
		}
	}
	addressed := backend("http://a", true, 10)
	addressed["id"], addressed["address"], addressed["lookup_error"] = "web/http://a@10.0.0.7", "10.0.0.7", "no such host"
	first := live.Change{Point: live.Point{At: from}, Patch: live.State{
		"ready":    "ready",
		"status":   map[string]any{"version": "v1", "uptime_seconds": 61, "requests": map[string]any{"connections": 2}},
		"backends": map[string]any{"web/http://a@10.0.0.7": addressed, "web/http://b": backend("http://b", false, 0)},
		"limits":   map[string]any{"client": map[string]any{"name": "client", "capacity": 5, "refill": "1/1m", "buckets": 3}},
		"takes":    map[string]any{"client": map[string]any{"allowed": 10, "limited": 0}},
		"routes":   map[string]any{"shop": map[string]any{"place": 0, "path_prefix": "/shop", "responses": map[string]int{"2xx": 10}}},
		"refused_most": map[string]any{"client": []any{
			map[string]any{"limit": "client", "client_id": "<b>\x1b", "requests": 8, "last": "2026-11-29T07:00:01.000Z"},
		}},
	}}
	second := live.Change{
		Point: live.Point{At: from + 2000, Seconds: 2, Responses: map[string]int64{"2xx": 40, "4xx": 8}, P50: 0.001, P99: 0.02},
		Patch: live.State{
			"backends": map[string]any{"web/http://a@10.0.0.7": map[string]any{"requests": 50, "p99": 0.02}},
			"takes":    map[string]any{"client": map[string]any{"allowed": 50, "limited": 8}},
			"routes":   map[string]any{"shop": map[string]any{"responses": map[string]int{"2xx": 50, "4xx": 8}, "p99": 0.02}},
		},
	}
	return sse("history", []int{}) + sse("change", first) + sse("change", second)
}

// at is when the backends were probed last, in milliseconds since 1970, and the first sample taken.
const at = 1795935600000

// Where the output is no terminal there is one view, without anything but text.
func TestTopOnce(t *testing.T) {
	s := inShell(t, nil, "top", "--admin", streamed(t, "/events", sampled(at)))
	assert.Zero(t, s.code, s.stderr.String())
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(s.stdout.String())
	assert.Equal(t, `equalizer v1 at ADDRESS: ready, up for 1m1s
1 of 2 backends down, limit client refuses 4.0/s
24 requests/s  2xx 20  4xx 4.0  half within 1ms, 99 % within 20ms  0 in flight  2 connections

BACKEND            POOL  HEALTH  REQ/S  P99   IN FLIGHT  FAILED  WHY
http://b           web   DOWN    0      -     0          0       connection \x1B[31m refused, 2s ago
http://a@10.0.0.7  web   up      20     20ms  0          0       connection \x1B[31m refused, 2s ago; lookup: no such host

LIMIT   ALLOWED/S  REFUSED/S  NEARLY/S  BUCKETS  CAPACITY  REFILL
client  20         4.0        0         3        5         1/1m

REFUSED MOST  LIMIT   REQUESTS IN 10M  LAST
<b>\x1B       client  8                1s ago

ROUTE  REQ/S  P50  P99   4XX/S  5XX/S  MATCHES
shop   24     -    20ms  4.0    0      */shop
`, strings.ReplaceAll(s.stdout.String(), address, "ADDRESS"))

	s = inShell(t, nil, "top", "--once", "--json", "--admin", streamed(t, "/events", sampled(at)))
	assert.Zero(t, s.code, s.stderr.String())
	var sample struct{ Ready string }
	require.NoError(t, json.Unmarshal(s.stdout.Bytes(), &sample))
	assert.Equal(t, "ready", sample.Ready)
}

// A view fits its window, whatever its size, and each table has a row as long as there is room.
func TestTopFits(t *testing.T) {
	v := viewOf(t)
	for height := 1; height < 40; height++ {
		for _, width := range []int{1, 20, 80, 500} {
			lines := strings.Split(v.text(width, height, false), "\n")
			assert.LessOrEqual(t, len(lines), height)
			for _, line := range lines {
				assert.LessOrEqual(t, len([]rune(line)), width)
			}
		}
	}
	text := v.text(80, 15, false)
	for _, name := range []string{"BACKEND", "LIMIT", "REFUSED MOST", "ROUTE"} {
		assert.Contains(t, text, name)
	}
	assert.Contains(t, text, "and 2 more")
}

// viewOf is the view of the samples.
func viewOf(t *testing.T) (v *topView) {
	t.Helper()
	var seen []live.Change
	for line := range strings.Lines(sampled(at)) {
		if data, ok := strings.CutPrefix(line, "data: {"); ok {
			var c live.Change
			require.NoError(t, json.Unmarshal([]byte("{"+data), &c))
			seen = append(seen, c)
		}
	}
	require.Len(t, seen, 2)
	state := live.State{}
	live.Merge(state, seen[0].Patch)
	before := sampleOf(t, state)
	live.Merge(state, seen[1].Patch)
	return &topView{address: "a", before: before, now: sampleOf(t, state), point: seen[1].Point, seconds: 2}
}

func sampleOf(t *testing.T, state live.State) *api.Sample {
	t.Helper()
	text, err := json.Marshal(state)
	require.NoError(t, err)
	sample := new(api.Sample)
	require.NoError(t, json.Unmarshal(text, sample))
	return sample
}
