package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store/memory"
)

// brokenStore fails writes as a test wants.
type brokenStore struct {
	limiter.Store
	err error
}

func (s *brokenStore) Write(ctx context.Context, batch limiter.Batch) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.Write(ctx, batch)
}

// startLimiter serves the limiter itself, 1/1h and 10 by default, with room for 300 buckets.
func startLimiter(t *testing.T) (*running, *limiter.Service, *brokenStore) {
	t.Helper()
	store := &brokenStore{Store: memory.New()}
	service, err := limiter.Open(context.Background(), limiter.Options{
		Limits: []limiter.LimitOptions{{
			Name: "default", MaxBuckets: 300,
			Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Hour}},
		}},
		FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.Nop(),
	}, store)
	require.NoError(t, err)
	r := start(t, func(_ *Settings, s *Sources) {
		s.Reader, s.Writer = service, service
		s.Limits[0].Settings = service.Limits()[0].Defaults()
	})
	return r, service, store
}

func bucketOf(t *testing.T, got reply) map[string]any {
	t.Helper()
	var bucket map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.body), &bucket), got.body)
	delete(bucket, "last_refill")
	return bucket
}

func TestBucketsLife(t *testing.T) {
	r, service, _ := startLimiter(t)
	f := func(method, target, body string, wantStatus int, wantTokens, wantCapacity float64, wantRefill string) {
		t.Helper()
		got := r.do(t, request{method: method, target: target, body: body})
		require.Equal(t, wantStatus, got.status, got.body)
		assert.Equal(t, map[string]any{"client_id": "a/b", "limit": "default", "capacity": wantCapacity, "tokens": wantTokens, "refill": wantRefill, "managed": true}, bucketOf(t, got))
	}
	p := r.do(t, request{method: "GET", target: "/buckets/a%2Fb"}).problem(t, 404, "no-bucket")
	assert.Equal(t, map[string]any{"capacity": 10.0, "refill": "1/1h"}, p["defaults"])
	r.do(t, request{method: "PATCH", target: "/buckets/a%2Fb", body: `{"tokens":1}`}).problem(t, 404, "no-bucket")
	r.do(t, request{method: "DELETE", target: "/buckets/a%2Fb"}).problem(t, 404, "no-bucket")

	f("POST", "/buckets", `{"client_id":"a/b","capacity":15,"tokens":5}`, 201, 5, 15, "1/1h")
	r.do(t, request{method: "POST", target: "/buckets", body: `{"client_id":"a/b","capacity":20}`}).problem(t, 409, "managed-already")
	for range 5 {
		assert.True(t, service.Limits()[0].Take("a/b", 1).Allowed)
	}
	assert.False(t, service.Limits()[0].Take("a/b", 1).Allowed)
	f("GET", "/buckets/a%2Fb", "", 200, 0, 15, "1/1h")
	f("PATCH", "/buckets/a%2Fb", `{"tokens":4,"refill":"1/2h"}`, 200, 4, 15, "1/2h")
	f("PUT", "/buckets/a%2Fb", `{"capacity":3}`, 200, 3, 3, "1/2h")
	assert.Equal(t, 204, r.do(t, request{method: "DELETE", target: "/buckets/a%2Fb"}).status)
	r.do(t, request{method: "GET", target: "/buckets/a%2Fb"}).problem(t, 404, "no-bucket")
	f("PUT", "/buckets/a%2Fb", `{}`, 201, 10, 10, "1/1h")
}

func TestSettingsThatCantBeChangeNothing(t *testing.T) {
	r, _, _ := startLimiter(t)
	require.Equal(t, 201, r.do(t, request{method: "PUT", target: "/buckets/a", body: `{"capacity":15,"tokens":5}`}).status)
	before := bucketOf(t, r.do(t, request{method: "GET", target: "/buckets/a"}))
	for _, req := range []request{
		{method: "PATCH", target: "/buckets/a", body: `{"tokens":16}`},
		{method: "PUT", target: "/buckets/a", body: `{"tokens":5,"capacity":4}`},
		{method: "PUT", target: "/buckets/a", body: `{"capacity":9223372036854775807}`},
		{method: "POST", target: "/buckets", body: `{"client_id":"b","capacity":1,"tokens":2}`},
	} {
		p := r.do(t, req).problem(t, 400, "bad-settings")
		assert.NotEqual(t, gcra.ErrSettings.Error(), p["detail"], "it says what was wrong")
	}
	assert.Equal(t, before, bucketOf(t, r.do(t, request{method: "GET", target: "/buckets/a"})))
	r.do(t, request{method: "GET", target: "/buckets/b"}).problem(t, 404, "no-bucket")
}

func TestStoresErrors(t *testing.T) {
	r, service, store := startLimiter(t)
	put := request{method: "PUT", target: "/buckets/a", body: `{"capacity":15}`}

	store.err = errors.New("dial tcp 10.0.0.7:5432: connection refused")
	p := r.do(t, put).problem(t, 503, "store-unavailable")
	assert.NotContains(t, p["detail"], "10.0.0.7")
	r.do(t, request{method: "GET", target: "/buckets/a"}).problem(t, 404, "no-bucket")

	store.err = fmt.Errorf("commit at 10.0.0.7: %w", limiter.ErrInDoubt)
	p = r.do(t, put).problem(t, 503, "in-doubt")
	assert.NotContains(t, p["detail"], "10.0.0.7")

	store.err = nil
	require.NoError(t, service.Close(context.Background()))
	r.do(t, put).problem(t, 503, "stopping")
}

func TestWalkThroughAllPages(t *testing.T) {
	r, service, _ := startLimiter(t)
	for i := range 300 {
		require.True(t, service.Limits()[0].Take(fmt.Sprintf("c %03d/+", i), 1).Allowed)
	}
	r.do(t, request{method: "POST", target: "/buckets", body: `{"client_id":"one more","capacity":1}`}).problem(t, 507, "full")

	var ids []string
	for target, pages := "/buckets?limit=70", 0; target != ""; pages++ {
		require.Less(t, pages, 10)
		got := r.do(t, request{method: "GET", target: target})
		require.Equal(t, 200, got.status, got.body)
		var page []Bucket
		require.NoError(t, json.Unmarshal([]byte(got.body), &page))
		for _, b := range page {
			ids = append(ids, b.ClientID)
		}
		target, _, _ = strings.Cut(strings.TrimPrefix(got.get("Link"), "<"), ">")
	}
	require.Len(t, ids, 300)
	assert.IsIncreasing(t, ids)
}
