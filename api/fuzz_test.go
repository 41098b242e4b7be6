package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// requireRefusal wants an error that is a 400 whose text the caller may see.
func requireRefusal(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, errBadRequest)
	require.NotEmpty(t, err.Error())
	require.True(t, utf8.ValidString(err.Error()), "%q", err.Error())
	require.Less(t, len(err.Error()), 2000)
}

func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		`{"client_id":"test1234","capacity":15,"tokens":5,"refill":"1/1m"}`, `{"client_id":"\ud83d\ude00\\ud800","capacity":1}`,
		`{"client_id":"\ud800","capacity":1}`, `{"capacity":1e2}`, `{"capacity":1,"capacity":2}`, `{"client_id":null}`, `{}`, `[]`, ``,
		`{"client_id":"a","limit":"login","tier":"gold"}`, `{"client_id":"a","limit":"login","limit":"x","tier":"gold"}`, `{"client_id":"a","limit":1,"capacity":1}`,
		`{"limit":"login","capacity":1}`, `{"tier":null}`, `{"a":{"b":[1,2,{}]}}`, "{\"client_id\":\"\xff\"}", `{"refill":"100/s"} x`, `{"tokens":-0}`, `{"tokens":9223372036854775808}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, err := decodeChange(body); err != nil {
			requireRefusal(t, err)
		} else {
			requireSameChange(t, c)
		}
		limit, id, c, err := decodeCreate(body)
		if err != nil {
			requireRefusal(t, err)
			return
		}
		again, err := json.Marshal(struct {
			ClientID string       `json:"client_id"`
			Limit    string       `json:"limit"`
			Capacity *int64       `json:"capacity,omitempty"`
			Tokens   *int64       `json:"tokens,omitempty"`
			Refill   *gcra.Refill `json:"refill,omitempty"`
			Tier     *string      `json:"tier,omitempty"`
		}{id, limit, c.Capacity, c.Tokens, c.Refill, c.Tier})
		require.NoError(t, err)
		limit2, id2, c2, err := decodeCreate(again)
		require.NoError(t, err)
		assert.Equal(t, limit, limit2)
		assert.Equal(t, id, id2)
		assert.Equal(t, c, c2)
	})
}

// requireSameChange wants what was decoded to survive being written and decoded again.
func requireSameChange(t *testing.T, c limiter.Change) {
	t.Helper()
	if c.Capacity != nil {
		require.GreaterOrEqual(t, *c.Capacity, int64(1))
	}
	if c.Tokens != nil {
		require.GreaterOrEqual(t, *c.Tokens, int64(0))
	}
	body, err := json.Marshal(struct {
		Capacity *int64       `json:"capacity,omitempty"`
		Tokens   *int64       `json:"tokens,omitempty"`
		Refill   *gcra.Refill `json:"refill,omitempty"`
		Tier     *string      `json:"tier,omitempty"`
	}{c.Capacity, c.Tokens, c.Refill, c.Tier})
	require.NoError(t, err)
	again, err := decodeChange(body)
	require.NoError(t, err)
	require.Equal(t, c, again)
}

// What is decoded of a backend's change is in range, and survives being written and decoded again.
func FuzzDecodeOverride(f *testing.F) {
	for _, body := range []string{
		`{"state":"drain"}`, `{"weight":100}`, `{"state":"maint","weight":1}`, `{"weight":1e2}`, `{"state":"READY"}`, `{"state":"ready","state":"drain"}`,
		`{}`, `{"weight":0}`, `{"weight":18446744073709551617}`, `{"st\u0061te":"drain"}`, `{"State":"drain"}`, `[]`, ``,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := decodeOverride(body)
		if err != nil {
			requireRefusal(t, err)
			require.Zero(t, o)
			return
		}
		require.NotZero(t, o)
		require.NoError(t, o.Check())
		again, err := json.Marshal(BackendOverride(o))
		require.NoError(t, err)
		o2, err := decodeOverride(again)
		require.NoError(t, err)
		require.Equal(t, o, o2)
	})
}

// A path names one backend, and the one that it was made of.
func FuzzBackendInPath(f *testing.F) {
	for _, id := range []string{"web/http://localhost:8081", "a/unix:///run/override", "a/https://[::1]:443", "a/b?c#d%2F", "", "/", "a/override", "é"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		path, found := strings.CutPrefix(BackendPath(id), "/backends/")
		require.True(t, found)
		require.NotContains(t, path, "/")
		require.NotContains(t, path, "?")
		require.NotContains(t, path, "#")
		back, err := url.PathUnescape(path)
		require.NoError(t, err)
		require.Equal(t, id, back)
		require.LessOrEqual(t, inCommon(id, "web/http://localhost:8081"), len(id))
	})
}

func FuzzClientIDInPath(f *testing.F) {
	for _, segment := range []string{"a", "a%2Fb", ".", "..", "%2e%2E", "+", "%", "%zz", "%ff", "%00", "%C2%85", "%25%32%46", "é", "{x}", strings.Repeat("%41", 256), "%EF%BF%BD"} {
		f.Add(segment)
	}
	f.Fuzz(func(t *testing.T, segment string) {
		id, err := unescapeClientID(segment)
		if err != nil {
			requireRefusal(t, err)
			return
		}
		require.NoError(t, checkClientID(id))
		path, ok := strings.CutPrefix(BucketPath(id), "/buckets/")
		require.True(t, ok)
		require.NotContains(t, path, "/")
		require.NotContains(t, []string{".", ".."}, path)
		again, err := unescapeClientID(path)
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}

func FuzzListQuery(f *testing.F) {
	for _, query := range []string{"", "limit=1", "offset=9900&limit=100", "after=a%2Fb+c", "limit=1&limit=2", "&", "=", "%6cimit=3", "after=%ff", "limit=-1", "x=%zz", "after=😀", "managed=true&prefix=a%26", "managed=false", "in=login", "in=", "in=a&in=b", "in=%zz", "after=a%1flogin", "in=login&after=a&limit=2", "in=%26+%3d"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := parseListQuery(query)
		if err != nil {
			requireRefusal(t, err)
			return
		}
		require.LessOrEqual(t, q.Offset+q.Limit, limiter.MaxWindow)
		require.GreaterOrEqual(t, q.Offset, 0)
		require.Positive(t, q.Limit)
		link, ok := strings.CutSuffix(nextPage(q, nil, true), `>; rel="next"`)
		require.True(t, ok)
		target, err := url.Parse(link[1:])
		require.NoError(t, err)
		again, err := parseListQuery(target.RawQuery)
		require.NoError(t, err)
		require.Equal(t, q, again)
	})
}

// A call's limit is read from its target in one way only, and is what a link to it says.
func FuzzIn(f *testing.F) {
	for _, target := range []string{
		"/buckets/a", "/buckets/a?", "/buckets/a?in=login", "/buckets/a?in=", "/buckets/a?in=a&in=b", "/buckets/a?in=%26",
		"/buckets/a?in=%zz", "/buckets/a?IN=a", "/buckets/a?in=a#b", "/buckets/a?in=a?in=b", "/buckets/a?limit=login", "/buckets/a?in=+",
	} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		name, err := parseIn(target)
		if err != nil {
			requireRefusal(t, err)
			return
		}
		_, query, found := strings.Cut(target, "?")
		require.Equal(t, found, name != "", "a query that names no limit is none")
		if !found {
			return
		}
		require.True(t, strings.HasPrefix(query, "in="))
		require.NotContains(t, query, "&", "there is one parameter")
		again, err := parseIn("/buckets/a?in=" + url.QueryEscape(name))
		require.NoError(t, err)
		require.Equal(t, name, again)
	})
}

// What is read as tags is written as the same ones, and holds of none but those.
func FuzzTags(f *testing.F) {
	for _, field := range []string{
		"*", " * ", `"a"`, `"a", "b"`, `W/"a"`, `w/"a"`, `"a`, `a`, ``, `,`, `,"a",,"b",`, `"a" "b"`, `"a"b`, `*, "a"`, `""`, `W/`, "\"a\x7f\"", `"a,b"`, `"\xff"`,
	} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		set, ok := readTags(field)
		if !ok {
			require.Equal(t, tagSet{}, set)
			return
		}
		if set.any {
			require.Equal(t, "*", strings.Trim(field, " \t"))
			return
		}
		require.NotEmpty(t, set.tags)
		for _, one := range set.tags {
			require.Contains(t, field, one)
			require.Equal(t, 2, strings.Count(one, `"`))
		}
		again, ok := readTags(strings.Join(set.tags, ", "))
		require.True(t, ok)
		require.Equal(t, set, again)
	})
}

func FuzzLoopbackHost(f *testing.F) {
	for _, host := range []string{"localhost", "localhost:80", "127.0.0.1:8080", "[::1]:1", "[::1", "evil.example", "127.0.0.1.evil.example", "[::1%lo]", ":", "[]"} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, hostport string) {
		if !isLoopbackHost(hostport) {
			return
		}
		// net/url reads it the same way, so that no other reader takes it for another host.
		u, err := url.Parse("http://" + hostport + "/")
		require.NoError(t, err)
		host := strings.ToLower(u.Hostname())
		require.True(t, host == "localhost" || strings.HasPrefix(host, "127.") || strings.HasPrefix(hostport, "["), "%q", hostport)
		require.Nil(t, u.User)
	})
}
