package api

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store/memory"
)

// startLimits serves two limits. One of them hashes its client_ids and has a tier.
func startLimits(t *testing.T) (*running, *limiter.Service) {
	t.Helper()
	hour := gcra.Refill{Amount: 1, Per: time.Hour}
	gold := map[string]gcra.Settings{"gold": {Capacity: 1000, Refill: hour}}
	limits := []limiter.LimitOptions{
		{Name: "default", Settings: gcra.Settings{Capacity: 10, Refill: hour}, MaxBuckets: 300},
		{Name: "login", Settings: gcra.Settings{Capacity: 3, Refill: hour}, Tiers: gold, MaxBuckets: 200},
	}
	service, err := limiter.Open(context.Background(), limiter.Options{
		Limits: limits, FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.Nop(),
	}, memory.New())
	require.NoError(t, err)
	r := start(t, func(_ *Settings, s *Sources) {
		s.Reader, s.Writer = service, service
		s.Limits = []Limit{
			{Name: "default", Key: "ip", Durability: "interval", Settings: limits[0].Settings},
			{
				Name: "login", Key: "header:X-User", Durability: "strict", Settings: limits[1].Settings, Tiers: gold,
				ClientID: func(id string) string { return "sha256:" + id },
			},
		}
	})
	return r, service
}

func TestBucketsOfSeveralLimits(t *testing.T) {
	r, service := startLimits(t)
	require.True(t, service.Limit("default").Take("alice", 4).Allowed)
	require.True(t, service.Limit("login").Take("sha256:alice", 1).Allowed)

	p := r.do(t, request{method: "GET", target: "/buckets/alice"}).problem(t, 400, "bad-request")
	assert.Contains(t, p["detail"], "in= is missing, and there are several limits; want one of default, login")
	r.do(t, request{method: "GET", target: "/buckets/alice?in=other"}).problem(t, 404, "no-limit")
	for _, query := range []string{"?in=", "?in=login&x=1&in=default", "?limit=login", "?x", "?"} {
		got := r.do(t, request{method: "DELETE", target: "/buckets/alice" + query})
		assert.NotEqual(t, 204, got.status, query)
	}
	got := bucketOf(t, r.do(t, request{method: "GET", target: "/buckets/alice?in=default"}))
	assert.Equal(t, map[string]any{"client_id": "alice", "limit": "default", "capacity": 10.0, "tokens": 6.0, "refill": "1/1h", "managed": false}, got)
	got = bucketOf(t, r.do(t, request{method: "GET", target: "/buckets/alice?in=login"}))
	assert.Equal(t, map[string]any{"client_id": "sha256:alice", "limit": "login", "capacity": 3.0, "tokens": 2.0, "refill": "1/1h", "managed": false}, got)
	p = r.do(t, request{method: "GET", target: "/buckets/bob?in=login"}).problem(t, 404, "no-bucket")
	assert.Equal(t, map[string]any{"capacity": 3.0, "refill": "1/1h"}, p["defaults"])

	p = r.do(t, request{method: "POST", target: "/buckets", body: `{"client_id":"bob","tier":"gold"}`}).problem(t, 400, "bad-request")
	assert.Contains(t, p["detail"], "limit is missing")
	made := r.do(t, request{method: "POST", target: "/buckets", body: `{"client_id":"bob","limit":"login","tier":"gold"}`})
	require.Equal(t, 201, made.status, made.body)
	assert.Equal(t, "/buckets/sha256:bob?in=login", made.get("Location"))
	assert.Equal(t, "gold", bucketOf(t, made)["tier"])
	r.do(t, request{method: "PATCH", target: "/buckets/bob?in=login", body: `{"tier":"gold","capacity":5}`}).problem(t, 400, "bad-settings")
	r.do(t, request{method: "PATCH", target: "/buckets/bob?in=login", body: `{"tier":"silver"}`}).problem(t, 400, "bad-settings")
	out := bucketOf(t, r.do(t, request{method: "PATCH", target: "/buckets/bob?in=login", body: `{"capacity":5}`}))
	assert.NotContains(t, out, "tier")
	require.Equal(t, 204, r.do(t, request{method: "DELETE", target: "/buckets/alice?in=default"}).status)
}

func TestListingOfSeveralLimits(t *testing.T) {
	r, service := startLimits(t)
	for _, id := range []string{"a", "b"} {
		require.True(t, service.Limit("default").Take(id, 1).Allowed)
		require.True(t, service.Limit("login").Take(id, 1).Allowed)
	}
	var walked []string
	for target := "/buckets?limit=1"; target != ""; {
		got := r.do(t, request{method: "GET", target: target})
		require.Equal(t, 200, got.status, got.body)
		var page []map[string]any
		require.NoError(t, json.Unmarshal([]byte(got.body), &page))
		for _, b := range page {
			walked = append(walked, b["client_id"].(string)+" "+b["limit"].(string))
		}
		target = ""
		if link := got.get("Link"); link != "" {
			target = link[1 : len(link)-len(`>; rel="next"`)]
		}
	}
	require.Equal(t, []string{"a default", "a login", "b default", "b login"}, walked)
	got := r.do(t, request{method: "GET", target: "/buckets?in=login&after=a"})
	require.Contains(t, got.body, `"client_id":"b","limit":"login"`)
	require.NotContains(t, got.body, `"client_id":"a"`)
	require.NotContains(t, got.body, `"default"`)
	r.do(t, request{method: "GET", target: "/buckets?in=other"}).problem(t, 404, "no-limit")
}

func TestLimits(t *testing.T) {
	r, service := startLimits(t)
	require.True(t, service.Limit("login").Take("a", 1).Allowed)
	got := r.do(t, request{method: "GET", target: "/limits"})
	require.Equal(t, 200, got.status)
	require.JSONEq(t, `[
		{"name":"default","key":"ip","capacity":10,"refill":"1/1h","tiers":{},"durability":"interval",
		 "buckets":0,"managed":0,"max_buckets":300,"overflow_takes":0},
		{"name":"login","key":"header:X-User","capacity":3,"refill":"1/1h","tiers":{"gold":{"capacity":1000,"refill":"1/1h"}},
		 "durability":"strict","buckets":1,"managed":0,"max_buckets":200,"overflow_takes":0}]`, got.body)
}

// A bucket whose tier is gone says so.
func TestATierThatIsGone(t *testing.T) {
	r := start(t, nil)
	r.fake.snap.Tier, r.fake.snap.TierGone = "gold", true
	got := bucketOf(t, r.do(t, request{method: "GET", target: "/buckets/test1234"}))
	require.Equal(t, "gold", got["tier"])
	require.Equal(t, true, got["tier_gone"])
}

func TestLimitsWhereNothingIsLimited(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Limits, s.Reader, s.Writer = nil, nil, nil })
	got := r.do(t, request{method: "GET", target: "/limits"})
	require.Equal(t, 200, got.status)
	require.JSONEq(t, "[]", got.body)
}
