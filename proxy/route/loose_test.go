package route

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// looseReader is a backend: what it does to a path, in order, before it looks for a handler.
type looseReader []step

type step struct {
	name string
	do   func(string) string
}

func (s step) String() string { return s.name }

// decodings are steps that a reader takes one of at most: decoding twice is another fault.
var decodings = []step{
	{"decode %2F", replace(`(?i)%2f`, "/")},
	{"decode %5C", replace(`(?i)%5c`, `\`)},
	{"decode %3B", replace(`(?i)%3b`, ";")},
	decodeAll,
	decodeSlashLast,
	decodeDotLast,
}

var (
	decodeAll       = step{"decode all", naiveDecode}
	decodeSlashLast = step{"decode all but %2F", decodeAllBut(`(?i)%2f`)}
	decodeDotLast   = step{"decode all but %2E", decodeAllBut(`(?i)%2e`)}
)

var loosenings = []step{
	{`\ is /`, replace(`\\`, "/")},
	{"cut ;", replace(`;[^/]*`, "")},
	{"cut %3B", replace(`(?i)(;|%3b)[^/]*`, "")},
	{"resolve dots", naiveDots},
	{"merge slashes", naiveMerge},
	{"resolve merged", func(s string) string { return naiveDots(naiveMerge(s)) }},
}

var decodeSlash, decodeDot = replace(`(?i)%2f`, "/"), replace(`(?i)%2e`, ".")

func replace(pattern, by string) func(string) string {
	re := regexp.MustCompile(pattern)
	return func(s string) string { return re.ReplaceAllString(s, by) }
}

func decodeAllBut(pattern string) func(string) string {
	not := regexp.MustCompile("^" + pattern)
	return func(s string) string {
		return anyEscape.ReplaceAllStringFunc(s, func(e string) string {
			if not.MatchString(e) {
				return e
			}
			return naiveDecode(e)
		})
	}
}

// urlParser is what the URL parsers of browsers and of Node.js begin with.
var urlParser = []step{
	{"resolve %2e", func(s string) string { return naiveDots(decodeDot(s)) }},
	{`\ is /`, replace(`\\`, "/")},
	{"resolve dots", naiveDots},
}

func aReader(r *rand.Rand) (l looseReader) {
	for range r.IntN(6) {
		l = append(l, loosenings[r.IntN(len(loosenings))])
	}
	if r.IntN(4) > 0 {
		l = slices.Insert(l, r.IntN(len(l)+1), decodings[r.IntN(len(decodings))])
	}
	if r.IntN(4) == 0 {
		l = slices.Insert(l, 0, urlParser[:1+r.IntN(len(urlParser))]...)
	}
	return l
}

// segments are those that the backend's handlers see, decoded. Empty ones and single dots go in the
// end.
func (l looseReader) segments(path string) []string {
	rest := naiveDecode
	for _, step := range l {
		path = step.do(path)
		switch step.name {
		case decodeAll.name:
			rest = func(s string) string { return s }
		case decodeSlashLast.name:
			rest = decodeSlash
		case decodeDotLast.name:
			rest = decodeDot
		}
	}
	var segments []string
	for segment := range strings.SplitSeq(path, "/") {
		if segment = rest(segment); segment != "" && segment != "." {
			segments = append(segments, segment)
		}
	}
	return segments
}

// checkExempt draws exemptions and holds them against backends: of all spellings, none that a loose
// backend reads as a path that isn't exempt is exempt, and none is counted that is exempt for it.
func checkExempt(t require.TestingT, r *rand.Rand, path string, readers int) (exempt, ambiguous bool) {
	var texts []string
	for range 1 + r.IntN(3) {
		texts = append(texts, []string{"/a", "/b", "/a/b", "/b/c", "/c/a", "/a/b/c"}[r.IntN(6)])
	}
	exemptions := NewExemptions([]Exemption{exempting(t, nil, nil, texts)})
	exempt, ambiguous = exemptions.Cover(netip.Addr{}, []byte("GET"), pathOf(path, Refuse))
	if ambiguous {
		require.False(t, exempt)
		return exempt, ambiguous
	}
	for range readers {
		backend := aReader(r)
		segments := backend.segments(path)
		want := slices.ContainsFunc(texts, func(text string) bool { return naivePrefix(text, segments) })
		require.Equal(t, want, exempt, "%q of %q as read by %v: %q", path, texts, backend, segments)
	}
	return exempt, ambiguous
}

func TestNoSpellingIsExempt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	covered, refused := 0, 0
	for range 3_000 {
		switch exempt, ambiguous := checkExempt(t, r, aPath(r), 2); {
		case exempt:
			covered++
		case ambiguous:
			refused++
		}
	}
	require.NotZero(t, covered)
	require.NotZero(t, refused)
}

// TestAttacks has the spellings by which limits are known to be got around.
func TestAttacks(t *testing.T) {
	table := tableOf(t, spec{prefix: "/health"}, spec{prefix: "/login"}, spec{prefix: "/x"}, spec{})
	health, err := ParsePrefix("/health")
	require.NoError(t, err)
	exemptions := NewExemptions([]Exemption{{Prefixes: []Prefix{health}}})
	f := func(path, route string) {
		t.Helper()
		p := pathOf(path, Refuse)
		found, verdict := table.Match(nil, []byte("GET"), p, nil)
		if route == "" {
			require.Equal(t, Ambiguous, verdict, path)
			_, verdict = table.Match(nil, []byte("GET"), pathOf(path, Pass), nil)
			require.Equal(t, Found, verdict, path)
			p := pathOf(path, Pass)
			table.Match(nil, []byte("GET"), p, nil)
			exempt, ambiguous := exemptions.Cover(netip.Addr{}, []byte("GET"), p)
			require.False(t, exempt || ambiguous, path)
			return
		}
		require.Equal(t, Found, verdict, path)
		require.Equal(t, route, found.Name, path)
		exempt, ambiguous := exemptions.Cover(netip.Addr{}, []byte("GET"), p)
		require.False(t, ambiguous, path)
		require.Equal(t, route == "/health", exempt, path)
	}
	for _, path := range []string{
		"/health/..%2Flogin", "/health/..%2flogin", `/health/..\login`, "/health/..%5Clogin", "/health/%2e%2e%2Flogin", "/login//../x",
		"/health/..;/login", "/health/..;x/login", "/health/..%3B/login", "/health%2F../login", "/health;/../login", "/login/../health",
		"/a%2Fb/../login%2Fx", "/x%2F..%2Flogin", "/q%2Flogin;b%2F..%2Fhealth/../../login", "/login%2F", "/login;a", `/login\`,
		"/health/%2e%2e/login", "/%2e%2e%2Flogin", "/;/login/../health", "/a/%2e/../login", "/health/../login", "/login%3Bx", "/%2Flogin",
	} {
		f(path, "")
	}
	f("//login", "/login")
	f("/login//x", "/login")
	f("/./login", "/login")
	f("/lo%67in", "/login")
	f("/login/a%2Fb;c=d", "/login")
	f(`/login/a\b`, "/login")
	f("/login/..", "")
	f("/login/x/..", "/login")
	f("/login/a%2F../b", "/login")
	f("/login/a%2F../../b", "")
	f("/health/a;b", "/health")
	f("/a%2Fb", "/")
	f("/Login", "/")
	f("/login%00", "/")
	f("/"+strings.Repeat("a%2F", 1000), "/")
	f("/login/"+strings.Repeat("%2F", 1000), "/login")
	f("/login/"+strings.Repeat("a%2Fb/../", 3), "/login")
	f("/login/"+strings.Repeat("a%2Fb/../../", 3), "")
}

// TestOrderOfSteps has paths that only readers that mix their steps take to /a/b.
func TestOrderOfSteps(t *testing.T) {
	table := tableOf(t, spec{prefix: "/a/b"}, spec{})
	for _, path := range []string{"/a%2F/../b", `/a\/../b`, "/x%2Fy/../a%2Fb", "/x%2Fa%2Fb;c%2F../../a%2Fb", "/a/%2e;/../b", "/c%2F..;/../a/b"} {
		_, verdict := table.Match(nil, []byte("GET"), pathOf(path, Refuse), nil)
		require.Equal(t, Ambiguous, verdict, path)
	}
}

// TestNoneIsRefusedInVain: a path is refused only if there is a backend that reads another route in
// it than the normal form has. Where there are .. in it, some are refused that no single backend
// may read so, as each occurrence is read by itself.
func TestNoneIsRefusedInVain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for refused := 0; refused < 30; {
		specs, q := aTable(r), aRequest(r)
		q.path = strings.ReplaceAll(q.path, ".", "a")
		table, fields := tableOf(t, specs...), fieldsOf(q.headers...)
		if _, verdict := table.Match([]byte(q.host), []byte(q.method), pathOf(q.path, Refuse), fields); verdict != Ambiguous {
			continue
		}
		refused++
		normal := naive(specs, q.host, q.method, naiveSegments(naiveNormal(q.path)), q.headers)
		for tries := 0; ; tries++ {
			require.Less(t, tries, 10_000, "%+v of %+v", q, specs)
			if naive(specs, q.host, q.method, aReader(r).segments(q.path), q.headers) != normal {
				break
			}
		}
	}
}
