package route

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// request is one that is matched in a test.
type request struct {
	host, method, path string
	headers            [][2]string
}

func aRequest(r *rand.Rand) request {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	q := request{
		host:   pick("a.b", "A.B:80", "b", "c.a.b.", "d.a.b:1", "x", "", "..b", ".b", "[::1]:80", "e.f.A.b"),
		method: pick("GET", "HEAD", "POST", "PUT"),
		path:   aPath(r),
	}
	for range r.IntN(3) {
		q.headers = append(q.headers, [2]string{pick("X-A", "x-a", "X-B", "X-C"), pick("1", "2", "3")})
	}
	return q
}

// checkNaive holds a table against the naive matcher, by the normal form.
func checkNaive(t require.TestingT, specs []spec, table *Table[int], q request) {
	p := pathOf(q.path, Pass)
	raw, _, _ := strings.Cut(q.path, "?")
	require.Equal(t, naiveNormal(raw), string(p.Normal()), "%q", q.path)
	got := -1
	found, verdict := table.Match([]byte(q.host), []byte(q.method), p, fieldsOf(q.headers...))
	if found != nil {
		got = found.Value
	}
	require.Equal(t, verdict == Found, found != nil)
	want := naive(specs, q.host, q.method, naiveSegments(naiveNormal(raw)), q.headers)
	require.Equal(t, want, got, "%q of %+v", q, specs)
	if want < 0 {
		anyMethod := 0
		for _, m := range []string{"GET", "HEAD", "POST"} {
			allowed := naive(specs, q.host, m, naiveSegments(naiveNormal(raw)), q.headers) >= 0
			allow := string(table.AppendAllow(nil, []byte(q.host), p, fieldsOf(q.headers...)))
			require.Equal(t, allowed, strings.Contains(", "+allow+",", ", "+m+","), "%q: %q", q, allow)
			if allowed {
				anyMethod++
			}
		}
		require.Equal(t, anyMethod > 0, verdict == MethodNotAllowed)
	}
}

// checkReader holds a table against a backend's reading: it must choose the same route, or the path
// be ambiguous.
func checkReader(t require.TestingT, specs []spec, table *Table[int], q request, backend looseReader) {
	raw, _, _ := strings.Cut(q.path, "?")
	found, verdict := table.Match([]byte(q.host), []byte(q.method), pathOf(q.path, Refuse), fieldsOf(q.headers...))
	if verdict == Ambiguous {
		return
	}
	got := -1
	if found != nil {
		got = found.Value
	}
	require.Equal(t, naive(specs, q.host, q.method, backend.segments(raw), q.headers), got, "%+v of %+v as read by %v: %q",
		q, specs, backend, backend.segments(raw))
}

// FuzzMatch holds a table against the naive matcher, and against how loose backends read paths.
func FuzzMatch(f *testing.F) {
	for i, path := range []string{
		"/", "/a/b", "/a%2Fb/../a", `/a\..\b`, "/a;x/../b", "/a//../b", "/health/..%2Flogin", "/%2e%2e/a", "/a/%2", "/a?b/../c", "/x%2Fa;b%2F..%2Fb", "/%40/@",
	} {
		f.Add(uint64(i), "a.b", path)
	}
	f.Fuzz(func(t *testing.T, seed uint64, host, path string) {
		if !isTarget(host, path) {
			return
		}
		r := rand.New(rand.NewPCG(seed, 0))
		specs, q := aTable(r), aRequest(r)
		q.host, q.path = host, path
		table := tableOf(t, specs...)
		checkNaive(t, specs, table, q)
		for range 20 {
			checkReader(t, specs, table, q, aReader(r))
		}
		raw, _, _ := strings.Cut(path, "?")
		checkExempt(t, r, raw, 10)
	})
}

// isTarget reports whether http1 lets a host and a path pass.
func isTarget(host, path string) bool {
	for _, c := range []byte(host) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '#' || c == '<' || c == '>' {
			return false
		}
	}
	return len(path) > 0 && path[0] == '/' && len(host) < 200
}

// TestMatchAsNaive does the same with requests that are close to the routes.
func TestMatchAsNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ambiguous, refusable := 0, 0
	for range 80 {
		specs := aTable(r)
		table := tableOf(t, specs...)
		for range 20 {
			q := aRequest(r)
			checkNaive(t, specs, table, q)
			checkReader(t, specs, table, q, aReader(r))
			if p := pathOf(q.path, Refuse); p.kind == pathTangled {
				refusable++
				if _, verdict := table.Match([]byte(q.host), []byte(q.method), p, fieldsOf(q.headers...)); verdict == Ambiguous {
					ambiguous++
				}
			}
		}
	}
	require.Greater(t, refusable, 2*ambiguous, "more is refused than can matter")
	require.NotZero(t, ambiguous)
}
