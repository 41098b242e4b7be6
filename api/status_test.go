package api

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

func TestStatus(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) {
		s.Status = func() Status {
			return Status{
				Store: &StoreStatus{
					Driver: "bolt", Up: true, Flushes: 3, FlushErrors: 1, FlushOverruns: 2, Dirty: 4, LagSeconds: 0.25,
					LastFlush: Moment{time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC)},
				},
				Buckets:  &BucketsStatus{Count: 5, Managed: 2, Max: 10, OverflowTakes: 7},
				Limits:   []LimitStatus{{Name: "default", TakesStatus: TakesStatus{1, 2, 3, 4, 5}, BucketsStatus: BucketsStatus{Count: 5, Managed: 2, Max: 10, OverflowTakes: 7}, Dirty: 4}},
				Requests: RequestsStatus{Total: 9, InFlight: 1, Allowed: 6, Limited: 3, Responses: ResponsesStatus{Successful: 6, ClientError: 3}},
				HTTP2: HTTP2Status{
					Connections: 1, Running: 2, Waiting: 3, MaxRunning: 4, Reset: 5, Refused: 6, Oddities: map[string]int64{"ping": 7}, Calmed: 8, Faulty: 9,
				},
				Reloads: ReloadsStatus{Done: 2, Failed: 1, LastAt: Moment{time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC)}, Mistakes: []string{"c.toml:1: a: bad"}, Changes: []Difference{{Key: "limits.a.capacity", Kind: "changed", Old: "1", New: "2"}}, MoreChanges: 3},
				Log:     LogStatus{Dropped: 8, Error: "broken pipe"},
				Runtime: RuntimeStatus{Goroutines: 12, HeapBytes: 3456},
			}
		}
		s.Pools = func() []balancer.PoolStatus { return []balancer.PoolStatus{crowdedPool()} }
	})
	got := r.do(t, request{method: "GET", target: "/status"})
	require.Equal(t, 200, got.status, got.body)
	var status map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.body), &status))
	uptime := status["uptime_seconds"]
	assert.GreaterOrEqual(t, uptime, 0.0)
	delete(status, "uptime_seconds")
	rest, err := json.Marshal(status)
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"version": "v1.2.3", "limit": "default",
		"store": {"driver": "bolt", "up": true, "error": "", "flushes": 3, "flush_errors": 1, "flush_overruns": 2,
			"last_flush": "2026-11-23T07:21:02.000Z", "dirty": 4, "lag_seconds": 0.25},
		"buckets": {"count": 5, "managed": 2, "max": 10, "overflow_takes": 7},
		"limits": [{"name": "default", "allowed": 1, "limited": 2, "overflow": 3, "exempt": 4, "near": 5, "count": 5, "managed": 2, "max": 10, "overflow_takes": 7, "dirty": 4}],
		"requests": {"total": 9, "in_flight": 1, "connections": 0, "max_connections": 0, "accept_pauses": 0, "allowed": 6, "limited": 3,
			"responses": {"1xx": 0, "2xx": 6, "3xx": 0, "4xx": 3, "5xx": 0},
			"bad_gateway": 0, "unavailable": 0, "gateway_timeout": 0, "client_gone": 0, "too_slow": 0,
			"mended": 0, "retries": 0, "cut": 0, "panics": 0, "failed_handshakes": 0, "unintroduced": 0},
		"http2": {"connections": 1, "running": 2, "waiting": 3, "max_running": 4, "reset": 5, "refused": 6,
			"oddities": {"ping": 7}, "calmed": 8, "faulty": 9},
		"reloads": {"done": 2, "failed": 1, "last_at": "2026-11-23T07:21:02.000Z", "mistakes": ["c.toml:1: a: bad"],
			"changes": [{"key": "limits.a.capacity", "kind": "changed", "old": "1", "new": "2"}], "more_changes": 3},
		"shared": null,
		"pools": [{"name": "www", "strategy": "p2c", "backends": 3, "available": 2, "in_flight": 4, "max_in_flight": 5,
			"queue": {"waiting": 1, "max": 2, "waited": 1, "wait": {"p50": 0.875, "p90": 0.975, "p99": 0.9975}, "refused": 6, "timed_out": 7, "left": 8}}],
		"log": {"dropped": 8, "error": "broken pipe"},
		"runtime": {"goroutines": 12, "heap_bytes": 3456}
	}`, string(rest))

	var back Status
	require.NoError(t, json.Unmarshal([]byte(got.body), &back))
	assert.True(t, back.Store.LastFlush.Equal(time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC)))
}

// crowdedPool is a pool whose queue has had something to do.
func crowdedPool() balancer.PoolStatus {
	return balancer.PoolStatus{
		Name: "www", Strategy: balancer.P2C, Backends: 3, Available: 2, InFlight: 4, MaxInFlight: 5,
		Queue: balancer.QueueStatus{
			Waiting: 1, Length: 2, Waits: observed(time.Second), Refused: [...]int64{1, 2, 3}, TimedOut: 7, Left: 8,
		},
	}
}

func TestStatusWhereNothingIsLimited(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Limits = nil })
	var status map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.do(t, request{method: "GET", target: "/status"}).body), &status))
	for _, member := range []string{"limit", "store", "buckets"} {
		value, there := status[member]
		assert.True(t, there, member)
		assert.Nil(t, value, member)
	}
	assert.Equal(t, []any{}, status["limits"])
	assert.Equal(t, []any{}, status["pools"])
	assert.Equal(t, map[string]any{}, status["http2"].(map[string]any)["oddities"])
	assert.Equal(t, []any{}, status["reloads"].(map[string]any)["mistakes"])
	assert.Equal(t, []any{}, status["reloads"].(map[string]any)["changes"])
}

func TestHealth(t *testing.T) {
	is := Starting
	r := start(t, func(_ *Settings, s *Sources) { s.Ready = func() Readiness { return is } })
	f := func(target string, wantStatus int, wantBody string) {
		t.Helper()
		got := r.do(t, request{method: "GET", target: target})
		assert.Equal(t, wantStatus, got.status)
		assert.Contains(t, got.body, wantBody)
		assert.Equal(t, wantStatus, r.do(t, request{method: "HEAD", target: target}).status)
	}
	f("/healthz", 200, `{"status":"ok"}`)
	f("/readyz", 503, `"reason":"starting"`)
	is = Ready
	f("/readyz", 200, `{"status":"ready"}`)
	is = Stopping
	f("/healthz", 200, `{"status":"ok"}`)
	f("/readyz", 503, `"reason":"stopping"`)
	r.do(t, request{method: "GET", target: "/readyz"}).problem(t, 503, "not-ready")
}

// A process that stands by says so, and nothing else.
func TestStandby(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) {
		*s = Sources{Standby: true, Ready: func() Readiness { return Standby }, Status: func() Status { return Status{} }}
	})
	assert.Equal(t, 200, r.do(t, request{method: "GET", target: "/healthz"}).status)
	ready := r.do(t, request{method: "GET", target: "/readyz"})
	ready.problem(t, 503, "not-ready")
	assert.Contains(t, ready.body, `"reason":"standby"`)
	for _, target := range []string{"/", "/status", "/metrics", "/buckets", "/buckets/a", "/events", "/nothing"} {
		r.do(t, request{method: "GET", target: target}).problem(t, 503, "standby")
	}
}
