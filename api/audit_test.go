package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
)

// audited are the lines of the log, without who wrote.
func (r *running) audited(t *testing.T) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(r.logs.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields), line)
		lines = append(lines, fields)
	}
	return lines
}

// Each admin write that took effect is logged: who asked for what, what was there, and what is
// there now.
func TestAdminWritesAreLogged(t *testing.T) {
	r := start(t, func(settings *Settings, s *Sources) {
		settings.Token = "s3cret"
		s.Limits[0].ClientID = func(id string) string { return "sha256:" + id }
	})
	none := map[string]any{"exists": false}
	after := map[string]any{"exists": true, "capacity": 15.0, "tokens": 5.0, "refill": "1/1m", "managed": true}
	before := sampleBucket()
	before.Capacity, before.Managed = 7, false
	was := map[string]any{"exists": true, "capacity": 7.0, "tokens": 5.0, "refill": "1/1m", "managed": false}

	f := func(method, target, body string, before *limiter.Snapshot, wantBefore, wantAfter map[string]any) {
		t.Helper()
		r.fake.before = before
		seen := len(r.audited(t))
		req := request{method: method, target: target, body: body, header: []string{"Authorization: Bearer s3cret"}}
		require.Less(t, r.do(t, req).status, 300)
		lines := r.audited(t)[seen:]
		require.Len(t, lines, 1)
		assert.Equal(t, map[string]any{
			"level": "info", "message": "admin write", "remote": "pipe", "credential": "token",
			"method": method, "limit": "default", "client_id": "sha256:k", "before": wantBefore, "after": wantAfter,
		}, lines[0])
	}
	f("POST", "/buckets", `{"client_id":"k","capacity":15}`, nil, none, after)
	f("POST", "/buckets", `{"client_id":"k","capacity":15}`, &before, was, after)
	f("PUT", "/buckets/k", `{}`, nil, none, after)
	f("PUT", "/buckets/k", `{"capacity":15}`, &before, was, after)
	f("PATCH", "/buckets/k", `{"capacity":15}`, &before, was, after)
	f("DELETE", "/buckets/k", "", &before, was, none)
	assert.NotContains(t, r.logs.String(), "s3cret")
}

// What changes nothing isn't logged: reads, and writes that are refused.
func TestOnlyAdminWritesAreLogged(t *testing.T) {
	r := start(t, nil)
	r.do(t, request{method: "GET", target: "/buckets"})
	r.do(t, request{method: "GET", target: "/buckets/a"})
	r.do(t, request{method: "PATCH", target: "/buckets/a", body: `{}`})
	r.do(t, request{method: "PUT", target: "/buckets/a", body: `{"capacity":0}`})
	r.do(t, request{method: "DELETE", target: "/buckets/a", header: []string{"Origin: http://evil.example"}})
	for _, err := range []error{limiter.ErrNotFound, limiter.ErrManaged, limiter.ErrFull, limiter.ErrStore, limiter.ErrClosed} {
		r.fake.err = err
		r.do(t, request{method: "POST", target: "/buckets", body: `{"client_id":"a","capacity":1}`})
		r.do(t, request{method: "DELETE", target: "/buckets/a"})
	}
	assert.Empty(t, r.logs.String())
}

// A write that may have taken effect is logged with what it asked for.
func TestDoubtedAdminWritesAreLogged(t *testing.T) {
	r := start(t, nil)
	r.fake.err = limiter.ErrInDoubt
	r.do(t, request{method: "PUT", target: "/buckets/a", body: `{"capacity":9,"tokens":1,"refill":"1000/30d"}`})
	r.do(t, request{method: "DELETE", target: "/buckets/b"})
	lines := r.audited(t)
	require.Len(t, lines, 2)
	assert.Equal(t, map[string]any{
		"level": "warn", "message": "admin write in doubt: the store may or may not have it", "remote": "pipe", "credential": "none",
		"method": "PUT", "limit": "default", "client_id": "a", "change": map[string]any{"capacity": 9.0, "tokens": 1.0, "refill": "1000/30d"},
	}, lines[0])
	assert.Equal(t, "DELETE", lines[1]["method"])
	assert.Equal(t, map[string]any{}, lines[1]["change"])
}
