package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// Each thing that operators write changes the tag, and nothing that clients do.
func TestTags(t *testing.T) {
	b := sampleBucket()
	was := tag(&b)
	assert.Regexp(t, `^"[0-9a-f]{16}"$`, was)
	b.Tokens, b.LastRefill = 0, time.Now()
	assert.Equal(t, was, tag(&b))
	seen := map[string]bool{was: true}
	f := func(change func()) {
		t.Helper()
		b = sampleBucket()
		change()
		assert.False(t, seen[tag(&b)])
		seen[tag(&b)] = true
	}
	f(func() { b.Capacity++ })
	f(func() { b.Refill = gcra.Refill{Amount: 1, Per: time.Second} })
	f(func() { b.Managed = false })
	f(func() { b.Tier = "gold" })
}

func TestConditionsOfBucketCalls(t *testing.T) {
	r, service, _ := startLimiter(t)
	do := func(method, body string, header ...string) reply {
		t.Helper()
		return r.do(t, request{method: method, target: "/buckets/a", body: body, header: header})
	}
	failed := func(want string, got reply) {
		t.Helper()
		got.problem(t, 412, "precondition-failed")
		assert.Equal(t, want, got.get("ETag"))
	}
	failed("", do("PUT", `{}`, "If-Match: *"))
	do("PATCH", `{"capacity":5}`, "If-Match: *").problem(t, 404, "no-bucket")
	do("DELETE", "", "If-Match: *").problem(t, 404, "no-bucket")
	assert.Empty(t, do("GET", "", "If-Match: *").get("ETag"))

	made := do("PUT", `{"capacity":15}`, "If-None-Match: *")
	require.Equal(t, 201, made.status, made.body)
	first := made.get("ETag")
	failed(first, do("PUT", `{"capacity":16}`, "If-None-Match: *"))
	for range 3 {
		require.True(t, service.Limits()[0].Take("a", 1).Allowed)
	}
	got := do("GET", "", "If-Match: "+first, "If-None-Match: "+first)
	require.Equal(t, 200, got.status, "tokens change, so a GET is never 304")
	assert.Equal(t, first, got.get("ETag"))
	failed(first, do("GET", "", `If-Match: "other"`))
	assert.Equal(t, first, do("HEAD", "", "If-Match: *").get("ETag"))

	got = do("PATCH", `{"capacity":20}`, `If-Match: "other", `+first)
	require.Equal(t, 200, got.status, got.body)
	second := got.get("ETag")
	assert.NotEqual(t, first, second)
	for _, stale := range []string{first, "W/" + second, `"other"`} {
		failed(second, do("PUT", `{"capacity":21}`, "If-Match: "+stale))
		failed(second, do("PATCH", `{"capacity":21}`, "If-Match: "+stale))
		failed(second, do("DELETE", "", "If-Match: "+stale))
	}
	failed(second, do("DELETE", "", "If-None-Match: W/"+second))
	do("PUT", `{"tokens":99}`, "If-Match: "+first).problem(t, 400, "bad-settings")
	got = do("PUT", `{"tokens":1}`, "If-Match: "+first, "If-Match: "+second)
	require.Equal(t, 200, got.status, "several fields are one list")
	assert.Equal(t, second, got.get("ETag"), "tokens are no settings")
	require.Equal(t, 204, do("DELETE", "", "If-Match: "+second).status)
}

// An operator that waited for another one's write isn't let through by a look before it.
func TestConditionsAreHeldWithTheWrite(t *testing.T) {
	r, _, _ := startLimiter(t)
	read := r.do(t, request{method: "PUT", target: "/buckets/a", body: `{"capacity":1}`}).get("ETag")
	won := make(chan int, 8)
	for i := range cap(won) {
		go func() {
			body := `{"capacity":` + string(rune('2'+i)) + `}`
			won <- r.do(t, request{method: "PATCH", target: "/buckets/a", body: body, header: []string{"If-Match: " + read}}).status
		}()
	}
	counts := map[int]int{}
	for range cap(won) {
		counts[<-won]++
	}
	assert.Equal(t, map[int]int{200: 1, 412: cap(won) - 1}, counts)
}

func TestBadConditions(t *testing.T) {
	r := start(t, nil)
	for _, field := range []string{"If-Match", "If-None-Match"} {
		for _, value := range []string{"", "a", `"a`, `"a" "b"`, `*, "a"`, `w/"a"`, ","} {
			for _, method := range []string{"GET", "DELETE"} {
				p := r.do(t, request{method: method, target: "/buckets/a", header: []string{field + ": " + value}}).problem(t, 400, "bad-request")
				assert.Contains(t, p["detail"], field)
			}
		}
		for _, req := range []request{
			{method: "POST", target: "/buckets", body: `{"client_id":"a","capacity":1}`},
			{method: "DELETE", target: "/limits/default/buckets"},
		} {
			req.header = []string{field + ": *"}
			p := r.do(t, req).problem(t, 400, "bad-request")
			assert.Contains(t, p["detail"], "takes no "+field)
		}
	}
	assert.Empty(t, r.fake.takeCalls())
}
