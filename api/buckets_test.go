package api

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

func TestBucketCalls(t *testing.T) {
	r := start(t, nil)
	f := func(name string, req request, created bool, wantCall string, wantStatus int, wantLocation, wantBody string) {
		t.Run(name, func(t *testing.T) {
			r.fake.before = nil
			if !created {
				before := sampleBucket()
				r.fake.before = &before
			}
			got := r.do(t, req)
			assert.Equal(t, wantStatus, got.status, got.body)
			assert.Equal(t, []string{wantCall}, r.fake.takeCalls())
			assert.Equal(t, wantLocation, got.get("Location"))
			assert.Equal(t, wantBody, got.body)
			if wantBody != "" {
				assert.Equal(t, "application/json", got.get("Content-Type"))
			}
		})
	}
	const location = "/buckets/test1234"
	f("create", request{method: "POST", target: "/buckets", body: `{"client_id":"test1234","capacity":15,"tokens":5,"refill":"1/1m"}`},
		false, `Create "test1234" capacity=15 tokens=5 refill=1/1m`, 201, location, sampleJSON)
	f("create with the least", request{method: "POST", target: "/buckets", body: ` { "capacity" : 1, "client_id" : "a" } `},
		false, `Create "a" capacity=1`, 201, location, sampleJSON)
	f("create with escapes", request{method: "POST", target: "/buckets", body: `{"client_\u0069d":"\ud83d\ude00\\ud800\/","capacity":9223372036854775807}`},
		false, `Create "😀\\ud800/" capacity=9223372036854775807`, 201, location, sampleJSON)
	f("a charset", request{method: "POST", target: "/buckets", body: `{"client_id":"a","capacity":1}`, header: []string{"cONTENT-tYPE: Application/JSON; Charset=UTF-8"}},
		false, `Create "a" capacity=1`, 201, location, sampleJSON)
	f("get", request{method: "GET", target: "/buckets/test1234"}, false, `Get "test1234"`, 200, "", sampleJSON)
	f("head", request{method: "HEAD", target: "/buckets/test1234"}, false, `Get "test1234"`, 200, "", "")
	f("put creates", request{method: "PUT", target: "/buckets/a", body: `{}`}, true, `Put "a"`, 201, location, sampleJSON)
	f("put changes", request{method: "PUT", target: "/buckets/a", body: `{"tokens":0}`}, false, `Put "a" tokens=0`, 200, "", sampleJSON)
	f("patch", request{method: "PATCH", target: "/buckets/a", body: `{"refill":"100/s"}`}, false, `Patch "a" refill=100/1s`, 200, "", sampleJSON)
	f("delete", request{method: "DELETE", target: "/buckets/a"}, false, `Delete "a"`, 204, "", "")
}

func TestHeadSaysHowLongGetIs(t *testing.T) {
	r := start(t, nil)
	got := r.do(t, request{method: "HEAD", target: "/buckets/test1234"})
	assert.Equal(t, len(sampleJSON), got.header.ContentLength())
}

func TestAdminWritesHaveADeadline(t *testing.T) {
	r := start(t, nil)
	r.do(t, request{method: "POST", target: "/buckets", body: `{"client_id":"a","capacity":1}`})
	r.do(t, request{method: "PUT", target: "/buckets/a", body: `{}`})
	r.do(t, request{method: "PATCH", target: "/buckets/a", body: `{"tokens":1}`})
	r.do(t, request{method: "DELETE", target: "/buckets/a"})
	require.Len(t, r.fake.deadlines, 4)
	for _, left := range r.fake.deadlines {
		assert.InDelta(t, time.Minute, left, float64(30*time.Second))
	}
}

func TestClientIDsInPaths(t *testing.T) {
	r := start(t, nil)
	f := func(segment, want string) {
		t.Run(segment, func(t *testing.T) {
			got := r.do(t, request{method: "GET", target: "/buckets/" + segment})
			assert.Equal(t, 200, got.status, got.body)
			assert.Equal(t, []string{fmt.Sprintf("Get %q", want)}, r.fake.takeCalls())
		})
	}
	f("a%2Fb", "a/b")
	f("a%2fb", "a/b")
	f("%2F", "/")
	f("a%252Fb", "a%2Fb")
	f(".", ".")
	f("..", "..")
	f("%2e", ".")
	f("%2e%2e", "..")
	f("...", "...")
	f("%2E%2E%2Fadmin", "../admin")
	f("+", "+")
	f("a+b", "a+b")
	f("a%20b", "a b")
	f("a%3Fb%23c", "a?b#c")
	f("2001:db8:1:2::%2F64", "2001:db8:1:2::/64")
	f("sha256:00ff", "sha256:00ff")
	f("%F0%9F%98%80", "😀")
	f("\xf0\x9f\x98\x80", "😀")
	f("{client_id}", "{client_id}")
	f("a;b=c&d", "a;b=c&d")
}

func TestBadClientIDs(t *testing.T) {
	r := start(t, nil)
	f := func(name, segment, wantDetail string) {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
				req := request{method: method, target: "/buckets/" + segment}
				if method == "PUT" || method == "PATCH" {
					req.body = `{"capacity":1}`
				}
				p := r.do(t, req).problem(t, 400, "bad-request")
				assert.Contains(t, p["detail"], wantDetail)
			}
			assert.Empty(t, r.fake.takeCalls())
		})
	}
	long := make([]byte, 257)
	for i := range long {
		long[i] = 'a'
	}
	f("half an escape", "a%", `invalid URL escape "%"`)
	f("a short escape", "a%2", `invalid URL escape "%2"`)
	f("no hex", "a%zz", `invalid URL escape "%zz"`)
	f("too long", string(long), "is 257 bytes long; want 1 to 256")
	f("not UTF-8", "%ff", "not valid UTF-8")
	f("an encoded surrogate", "%ED%A0%80", "not valid UTF-8")
	f("overlong", "%C0%AF", "not valid UTF-8")
	f("NUL", "a%00", "control character at byte 1")
	f("newline", "%0a", "control character at byte 0")
	f("tab", "a%09b", "control character at byte 1")
	f("DEL", "%7f", "control character at byte 0")
	f("C1", "%C2%85", "control character at byte 0")
	f("a query", "a?b", "%3F")
	f("an empty query", "a?", "%3F")
	f("a fragment", "a#b", "%23")
}

func TestLongestClientID(t *testing.T) {
	r := start(t, nil)
	id, segment := "", ""
	for range 256 {
		id += "/"
		segment += "%2F"
	}
	got := r.do(t, request{method: "GET", target: "/buckets/" + segment})
	assert.Equal(t, 200, got.status, got.body)
	assert.Equal(t, []string{fmt.Sprintf("Get %q", id)}, r.fake.takeCalls())
}

func TestLocationLeadsBack(t *testing.T) {
	r := start(t, nil)
	for _, id := range []string{"a/b", ".", "..", "...", "a b+c", "?#%", "😀", "2001:db8::/64", "a%2Fb", "<&>\""} {
		r.fake.snap.ClientID = id
		location := r.do(t, request{method: "POST", target: "/buckets", body: `{"client_id":"x","capacity":1}`}).get("Location")
		r.fake.takeCalls()
		assert.NotContains(t, []string{"/buckets/.", "/buckets/.."}, location, "clients would resolve these")
		got := r.do(t, request{method: "GET", target: location})
		assert.Equal(t, 200, got.status, got.body)
		assert.Equal(t, []string{fmt.Sprintf("Get %q", id)}, r.fake.takeCalls())
	}
}

func TestOperatorsClientIDsAreStoredAsTheKeySays(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) {
		s.Limits[0].ClientID = func(id string) string { return "sha256:" + id }
	})
	r.do(t, request{method: "POST", target: "/buckets", body: `{"client_id":"k","capacity":1}`})
	r.do(t, request{method: "GET", target: "/buckets/k"})
	r.do(t, request{method: "PUT", target: "/buckets/k", body: `{}`})
	r.do(t, request{method: "PATCH", target: "/buckets/k", body: `{"tokens":0}`})
	r.do(t, request{method: "DELETE", target: "/buckets/k"})
	// A position in a listing is what a listing showed, which is stored already.
	r.do(t, request{method: "GET", target: "/buckets?after=sha256:k"})
	assert.Equal(t, []string{
		`Create "sha256:k" capacity=1`, `Get "sha256:k"`, `Put "sha256:k"`, `Patch "sha256:k" tokens=0`, `Delete "sha256:k"`,
		`List {After:sha256:k Offset:0 Limit:100}`,
	}, r.fake.takeCalls())
}

func TestLimitersErrors(t *testing.T) {
	r := start(t, nil)
	calls := []request{
		{method: "POST", target: "/buckets", body: `{"client_id":"a","capacity":1}`},
		{method: "GET", target: "/buckets"},
		{method: "GET", target: "/buckets/a"},
		{method: "PUT", target: "/buckets/a", body: `{}`},
		{method: "PATCH", target: "/buckets/a", body: `{"tokens":1}`},
		{method: "DELETE", target: "/buckets/a"},
	}
	f := func(err error, status int, name, wantDetail string) {
		t.Run(name, func(t *testing.T) {
			r.fake.err = fmt.Errorf("dial tcp 10.0.0.7: %w", err)
			for _, req := range calls {
				p := r.do(t, req).problem(t, status, name)
				assert.Contains(t, p["detail"], wantDetail)
			}
			assert.Len(t, r.fake.takeCalls(), len(calls))
		})
	}
	f(limiter.ErrNotFound, 404, "no-bucket", "its next request starts one on the defaults")
	f(limiter.ErrManaged, 409, "managed-already", "PUT or PATCH it")
	f(limiter.ErrFull, 507, "full", "nothing was changed")
	f(limiter.ErrBusy, 429, "busy", "try again")
	f(limiter.ErrStore, 503, "store-unavailable", "nothing was changed")
	f(limiter.ErrInDoubt, 503, "in-doubt", "unknown whether it was stored; GET the bucket to see")
	f(fmt.Errorf("%w: %w", limiter.ErrStore, limiter.ErrInDoubt), 503, "in-doubt", "unknown whether it was stored")
	f(limiter.ErrClosed, 503, "stopping", "nothing was changed")
	f(gcra.ErrSettings, 400, "bad-settings", "bad bucket settings")
	assert.NotContains(t, r.logs.String(), "10.0.0.7")
	assert.NotContains(t, r.logs.String(), `"level":"info"`, "nothing took effect, as far as is known")
}

func TestUnknownErrorsAreLoggedAndNotTold(t *testing.T) {
	r := start(t, nil)
	r.fake.err = errors.New("internals at 10.0.0.7")
	got := r.do(t, request{method: "GET", target: "/buckets/the-api-key"})
	assert.Equal(t, 500, got.status)
	assert.NotContains(t, got.body, "10.0.0.7")
	assert.Contains(t, r.logs.String(), "internals at 10.0.0.7")
	assert.NotContains(t, r.logs.String(), "the-api-key")
}

func TestBusySaysWhenToTryAgain(t *testing.T) {
	r := start(t, nil)
	r.fake.err = limiter.ErrBusy
	assert.Equal(t, "1", r.do(t, request{method: "GET", target: "/buckets"}).get("Retry-After"))
}

func TestNoBucketSaysWhatTheClientWouldGet(t *testing.T) {
	r := start(t, nil)
	r.fake.err = limiter.ErrNotFound
	p := r.do(t, request{method: "GET", target: "/buckets/a%2Fb"}).problem(t, 404, "no-bucket")
	assert.Equal(t, map[string]any{"capacity": 10.0, "refill": "1/1m"}, p["defaults"])
	assert.Contains(t, p["detail"], `"a/b"`)
}

func TestNothingIsLimited(t *testing.T) {
	r := start(t, func(_ *Settings, s *Sources) { s.Reader, s.Writer = nil, nil })
	for _, req := range []request{
		{method: "POST", target: "/buckets", body: `{"client_id":"a","capacity":1}`},
		{method: "GET", target: "/buckets"},
		{method: "GET", target: "/buckets/a"},
		{method: "PUT", target: "/buckets/a", body: `{}`},
		{method: "PATCH", target: "/buckets/a", body: `{}`},
		{method: "DELETE", target: "/buckets/a"},
	} {
		p := r.do(t, req).problem(t, 409, "nothing-limited")
		assert.Contains(t, p["detail"], "[limits.NAME]")
	}
}
