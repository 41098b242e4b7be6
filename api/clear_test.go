package api

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
)

func TestDeleteBucketsOfALimit(t *testing.T) {
	r, service := startLimits(t)
	for _, id := range []string{"alice", "bob"} {
		for _, limit := range []string{"default", "login"} {
			got := r.do(t, request{method: "PUT", target: "/buckets/" + id + "?in=" + limit, body: `{"tokens":1}`})
			require.Equal(t, 201, got.status, got.body)
		}
	}
	require.True(t, service.Limit("login").Take("carol", 1).Allowed)
	got := r.do(t, request{method: "DELETE", target: "/limits/login/buckets"})
	require.Equal(t, 200, got.status, got.body)
	assert.Equal(t, `{"limit":"login","deleted":2}`+"\n", got.body)
	assert.Contains(t, r.logs.String(), `"limit":"login","deleted":2`)
	r.do(t, request{method: "GET", target: "/buckets/alice?in=login"}).problem(t, 404, "no-bucket")
	assert.Equal(t, 200, r.do(t, request{method: "GET", target: "/buckets/alice?in=default"}).status)
	assert.Equal(t, int64(1), service.Stats().Limits[1].Buckets, "what no operator wrote stays")

	got = r.do(t, request{method: "DELETE", target: "/limits/login/buckets"})
	assert.Equal(t, `{"limit":"login","deleted":0}`+"\n", got.body)
	r.do(t, request{method: "DELETE", target: "/limits/other/buckets"}).problem(t, 404, "no-limit")
	r.do(t, request{method: "DELETE", target: "/limits/login/buckets?x"}).problem(t, 400, "bad-request")
	r.do(t, request{method: "DELETE", target: "/limits/%zz/buckets"}).problem(t, 400, "bad-request")
	p := r.do(t, request{method: "GET", target: "/limits/login/buckets"}).problem(t, 405, "method-not-allowed")
	assert.Contains(t, p["detail"], "want DELETE")
}

// What was deleted before a failure is told.
func TestDeleteBucketsOfALimitFails(t *testing.T) {
	r := start(t, nil)
	f := func(deleted int, err error, status int, name, wantDetail string) {
		t.Helper()
		r.fake.deleted, r.fake.err = deleted, fmt.Errorf("dial tcp 10.0.0.7: %w", err)
		p := r.do(t, request{method: "DELETE", target: "/limits/a%2Fb/buckets"}).problem(t, status, name)
		assert.Contains(t, p["detail"], wantDetail)
		assert.Equal(t, []string{`DeleteManaged "a/b"`}, r.fake.takeCalls())
	}
	f(0, limiter.ErrStore, 503, "store-unavailable", "nothing was deleted")
	f(0, limiter.ErrNoLimit, 404, "no-limit", "there is no limit a/b")
	assert.NotContains(t, r.logs.String(), "admin write")
	f(7, limiter.ErrStore, 503, "store-unavailable", "7 were deleted; ask again")
	f(7, limiter.ErrClosed, 503, "stopping", "7 were deleted")
	f(7, fmt.Errorf("%w: %w", limiter.ErrStore, limiter.ErrInDoubt), 503, "in-doubt", "7 were deleted before, and it is unknown")
	assert.Contains(t, r.logs.String(), `"deleted":7`)
}
