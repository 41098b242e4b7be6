package api

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
)

func TestListing(t *testing.T) {
	r := start(t, nil)
	r.fake.page = []limiter.Snapshot{sampleBucket()}
	f := func(query, want string) {
		t.Run(query, func(t *testing.T) {
			got := r.do(t, request{method: "GET", target: "/buckets" + query})
			assert.Equal(t, 200, got.status, got.body)
			assert.Equal(t, "["+strings.TrimSpace(sampleJSON)+"]\n", got.body)
			assert.Equal(t, []string{"List " + want}, r.fake.takeCalls())
			assert.Empty(t, got.get("Link"), "this was the last page")
		})
	}
	f("", "{After: Offset:0 Limit:100}")
	f("?", "{After: Offset:0 Limit:100}")
	f("?limit=1", "{After: Offset:0 Limit:1}")
	f("?limit=1000&offset=9000", "{After: Offset:9000 Limit:1000}")
	f("?offset=9900", "{After: Offset:9900 Limit:100}")
	f("?after=a%2Fb%26c", "{After:a/b&c Offset:0 Limit:100}")
	f("?after=a+b", "{After:a b Offset:0 Limit:100}")
	f("?after=a%2Bb", "{After:a+b Offset:0 Limit:100}")
	f("?after=a=b", "{After:a=b Offset:0 Limit:100}")
	f("?%6cimit=%37", "{After: Offset:0 Limit:7}")
	f("?after=x&limit=2&offset=3", "{After:x Offset:3 Limit:2}")
	f("?managed=true", "{After: Offset:0 Limit:100 Managed:true}")
	f("?managed=false&prefix=2001:db8:", "{After: Offset:0 Limit:100 Prefix:2001:db8: Managed:false}")
	f("?prefix=sha256%3Aab", "{After: Offset:0 Limit:100 Prefix:sha256:ab}")
}

func TestEmptyListing(t *testing.T) {
	r := start(t, nil)
	got := r.do(t, request{method: "GET", target: "/buckets"})
	assert.Equal(t, 200, got.status)
	assert.Equal(t, "[]\n", got.body)
}

func TestBadQueries(t *testing.T) {
	r := start(t, nil)
	f := func(query, wantDetail string) {
		t.Run(query, func(t *testing.T) {
			p := r.do(t, request{method: "GET", target: "/buckets?" + query}).problem(t, 400, "bad-request")
			assert.Contains(t, p["detail"], wantDetail)
			assert.Empty(t, r.fake.takeCalls())
		})
	}
	f("limit=0", `limit is "0"; want a whole number from 1 to 1000`)
	f("limit=1001", "from 1 to 1000")
	f("limit=-1", "from 1 to 1000")
	f("limit=+1", "from 1 to 1000")
	f("limit=1.0", "from 1 to 1000")
	f("limit=1e1", "from 1 to 1000")
	f("limit=0x10", "from 1 to 1000")
	f("limit=1_0", "from 1 to 1000")
	f("limit=", "from 1 to 1000")
	f("limit", "from 1 to 1000")
	f("limit=18446744073709551617", "from 1 to 1000")
	f("limit=1;offset=2", "from 1 to 1000")
	f("limit=1&limit=1", "limit twice")
	f("limit=1&%6Cimit=1", "limit twice")
	f("offset=-1", "offset is")
	f("offset=10001", "offset is")
	f("offset=9901", "offset 9901 + limit 100 is beyond 10000; want after=CLIENT_ID")
	f("offset=10000&limit=1", "want after=CLIENT_ID")
	f("offset=9001&limit=1000", "want after=CLIENT_ID")
	f("after=", "client_id is missing or empty")
	f("after=%", "percent-encoded")
	f("after=%zz", "percent-encoded")
	f("after=%ff", "not valid UTF-8")
	f("after=%00", "control character")
	f("after="+strings.Repeat("a", 257), "257 bytes")
	f("managed=", `managed is ""; want true or false`)
	f("managed", `managed is ""; want true or false`)
	f("managed=True", `managed is "True"; want true or false`)
	f("managed=1", `managed is "1"; want true or false`)
	f("managed=true&managed=true", "managed twice")
	f("prefix=", "prefix is empty; want the beginning of a client_id")
	f("prefix=%ff", "not valid UTF-8")
	f("prefix=%0a", "control character")
	f("prefix="+strings.Repeat("a", 257), "257 bytes")
	f("page=2", `unknown query parameter "page"; want limit, offset, after, prefix or managed`)
	f("Limit=2", `unknown query parameter "Limit"`)
	f("&", `unknown query parameter ""`)
	f("limit=1&", `unknown query parameter ""`)
	f("=1", `unknown query parameter ""`)
}

func TestOtherCallsTakeNoQuery(t *testing.T) {
	r := start(t, nil)
	for _, target := range []string{"/buckets/a?limit=1", "/backends?x", "/status?"} {
		r.do(t, request{method: "GET", target: target}).problem(t, 400, "bad-request")
	}
	r.do(t, request{method: "POST", target: "/buckets?x=1", body: `{"client_id":"a","capacity":1}`}).problem(t, 400, "bad-request")
	assert.Empty(t, r.fake.takeCalls())
	assert.Equal(t, 200, r.do(t, request{method: "GET", target: "/readyz?verbose"}).status)
}

func TestNextPage(t *testing.T) {
	r := start(t, nil)
	bucket := sampleBucket()
	bucket.ClientID = `a/b c+d"<>&?#😀`
	r.fake.more = true
	f := func(page []limiter.Snapshot, query, wantNext string) {
		r.fake.page = page
		got := r.do(t, request{method: "GET", target: "/buckets" + query})
		r.fake.takeCalls()
		target, ok := strings.CutSuffix(got.get("Link"), `>; rel="next"`)
		require.True(t, ok, got.get("Link"))
		_, err := url.Parse(target[1:])
		require.NoError(t, err)

		assert.Equal(t, 200, r.do(t, request{method: "GET", target: target[1:]}).status)
		assert.Equal(t, []string{"List " + wantNext}, r.fake.takeCalls())
	}
	f([]limiter.Snapshot{sampleBucket(), bucket}, "?limit=2", "{After:"+bucket.ClientID+" Offset:0 Limit:2}")
	f([]limiter.Snapshot{bucket}, "?offset=5&after=A", "{After:"+bucket.ClientID+" Offset:0 Limit:100}")
	f([]limiter.Snapshot{bucket}, "?managed=true&prefix=a/b%20%26", "{After:"+bucket.ClientID+" Offset:0 Limit:100 Prefix:a/b & Managed:true}")
	f([]limiter.Snapshot{bucket}, "?managed=false&offset=5", "{After:"+bucket.ClientID+" Offset:0 Limit:100 Managed:false}")
	// All of the page was removed while it was made. Asking again finds what is there now.
	f(nil, "?offset=5&after=A&limit=1", "{After:A Offset:5 Limit:1}")
}
