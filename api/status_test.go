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
				Limits:   []LimitStatus{{Name: "default", BucketsStatus: BucketsStatus{Count: 5, Managed: 2, Max: 10, OverflowTakes: 7}, Dirty: 4}},
				Requests: RequestsStatus{Total: 9, InFlight: 1, Allowed: 6, Limited: 3, Responses: ResponsesStatus{Successful: 6, ClientError: 3}},
				Log:      LogStatus{Dropped: 8, Error: "broken pipe"},
				Runtime:  RuntimeStatus{Goroutines: 12, HeapBytes: 3456},
			}
		}
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
		"limits": [{"name": "default", "count": 5, "managed": 2, "max": 10, "overflow_takes": 7, "dirty": 4}],
		"requests": {"total": 9, "in_flight": 1, "connections": 0, "max_connections": 0, "accept_pauses": 0, "allowed": 6, "limited": 3,
			"responses": {"1xx": 0, "2xx": 6, "3xx": 0, "4xx": 3, "5xx": 0},
			"bad_gateway": 0, "unavailable": 0, "gateway_timeout": 0, "client_gone": 0, "too_slow": 0,
			"mended": 0, "retries": 0, "cut": 0, "panics": 0},
		"log": {"dropped": 8, "error": "broken pipe"},
		"runtime": {"goroutines": 12, "heap_bytes": 3456}
	}`, string(rest))

	var back Status
	require.NoError(t, json.Unmarshal([]byte(got.body), &back))
	assert.True(t, back.Store.LastFlush.Equal(time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC)))
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
}

func TestBackends(t *testing.T) {
	var all []balancer.BackendStatus
	r := start(t, func(_ *Settings, s *Sources) { s.Backends = func() []balancer.BackendStatus { return all } })
	assert.Equal(t, "[]\n", r.do(t, request{method: "GET", target: "/backends"}).body)

	all = []balancer.BackendStatus{
		{
			Pool: "default", URL: "http://localhost:8081", Weight: 2, State: balancer.Ready, Healthy: true, LastProbe: "200 in 0.8ms",
			LastProbeAt: time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC), InFlight: 1, Requests: 10, Failures: 3,
		},
		{Pool: "default", URL: "http://localhost:8082", Weight: 1, State: balancer.Maint},
	}
	assert.Equal(t, `[{"pool":"default","url":"http://localhost:8081","weight":2,"state":"ready","healthy":true,"last_probe":"200 in 0.8ms",`+
		`"last_probe_at":"2026-11-23T07:21:02.000Z","in_flight":1,"requests":10,"failures":3},`+
		`{"pool":"default","url":"http://localhost:8082","weight":1,"state":"maint","healthy":false,"last_probe":"",`+
		`"last_probe_at":null,"in_flight":0,"requests":0,"failures":0}]`+"\n",
		r.do(t, request{method: "GET", target: "/backends"}).body)
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
