package route

import (
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

// spec is a route as an operator writes it.
type spec struct {
	name, host, prefix string
	methods            []string
	headers            [][2]string
}

func (s spec) pattern(t require.TestingT) Pattern {
	p := Pattern{Name: s.name}
	var err error
	p.Host, err = ParseHost(s.host)
	require.NoError(t, err)
	if s.prefix != "" {
		p.Prefix, err = ParsePrefix(s.prefix)
		require.NoError(t, err)
	}
	p.Methods, err = ParseMethods(s.methods)
	require.NoError(t, err)
	for _, h := range s.headers {
		header, err := ParseHeader(h[0], h[1])
		require.NoError(t, err)
		p.Headers = append(p.Headers, header)
	}
	return p
}

// tableOf makes a table whose values are the indices of specs.
func tableOf(t require.TestingT, specs ...spec) *Table[int] {
	var routes []Route[int]
	for i, s := range specs {
		routes = append(routes, Route[int]{Pattern: s.pattern(t), Value: i})
	}
	table, err := New(routes)
	require.NoError(t, err)
	return table
}

// pathOf reads a path. With Pass it is as if each route, and their absence, let ambiguous paths
// pass.
func pathOf(target string, mode Ambiguity) *Path {
	p := &Path{}
	p.Read([]byte(target))
	p.mode = mode
	return p
}

func fieldsOf(lines ...[2]string) (fields []http1.Field) {
	for _, l := range lines {
		fields = append(fields, http1.Field{Name: []byte(l[0]), Value: []byte(l[1])})
	}
	return fields
}

// naive finds the route of a request as the documents describe it, in strings, without an index:
// the index of a spec, or -1. segments are the path's, decoded.
func naive(specs []spec, host, method string, segments []string, headers [][2]string) int {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	rank := func(s spec) int {
		pattern := strings.ToLower(strings.TrimSuffix(s.host, "."))
		switch suffix, below := strings.CutPrefix(pattern, "*"); {
		case pattern == "":
			return 0
		case pattern == host:
			return 1000
		case below && len(host) > len(suffix) && strings.HasSuffix(host, suffix):
			return len(suffix)
		}
		return -1
	}
	best := -1
	for _, s := range specs {
		best = max(best, rank(s))
	}
	if best < 0 {
		return -1
	}
	var fit []int
	for i, s := range specs {
		if rank(s) == best && naivePrefix(s.prefix, segments) && naiveMethod(s.methods, method) && naiveHeaders(s.headers, headers) {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return -1
	}
	slices.SortStableFunc(fit, func(a, b int) int {
		return 100*(len(naiveSegments(specs[b].prefix))-len(naiveSegments(specs[a].prefix))) +
			10*(min(1, len(specs[b].methods))-min(1, len(specs[a].methods))) + len(specs[b].headers) - len(specs[a].headers)
	})
	return fit[0]
}

func naivePrefix(prefix string, segments []string) bool {
	want := naiveSegments(prefix)
	return len(want) <= len(segments) && slices.Equal(want, segments[:len(want)])
}

// naiveSegments are the decoded segments of a path that is in normal form.
func naiveSegments(path string) (segments []string) {
	for segment := range strings.SplitSeq(path, "/") {
		if segment != "" {
			segments = append(segments, naiveDecode(segment))
		}
	}
	return segments
}

func naiveMethod(methods []string, method string) bool {
	return len(methods) == 0 || slices.Contains(methods, method) || method == "HEAD" && slices.Contains(methods, "GET")
}

func naiveHeaders(want, headers [][2]string) bool {
	for _, w := range want {
		if !slices.ContainsFunc(headers, func(h [2]string) bool { return strings.EqualFold(h[0], w[0]) && (w[1] == "*" || w[1] == h[1]) }) {
			return false
		}
	}
	return true
}

var (
	anyEscape  = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	percent    = regexp.MustCompile(`%([0-9a-fA-F]{2})?`)
	unreserved = regexp.MustCompile(`^[A-Za-z0-9._~-]$`)
)

// naiveDecode decodes every escape once.
func naiveDecode(s string) string {
	return anyEscape.ReplaceAllStringFunc(s, func(e string) string {
		decoded, _ := url.PathUnescape(e)
		return decoded
	})
}

// naiveNormal is a path's normal form.
func naiveNormal(path string) string {
	path = percent.ReplaceAllStringFunc(path, func(e string) string {
		switch decoded := naiveDecode(e); {
		case e == "%":
			return "%25"
		case unreserved.MatchString(decoded):
			return decoded
		}
		return strings.ToUpper(e)
	})
	return naiveMerge(naiveDots(path))
}

// naiveDots resolves dot segments, and leaves empty ones.
func naiveDots(path string) string {
	segments := strings.Split(path, "/")[1:]
	var out []string
	for i, s := range segments {
		if s == ".." && len(out) > 0 {
			out = out[:len(out)-1]
		}
		if s != "." && s != ".." {
			out = append(out, s)
		} else if i == len(segments)-1 {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

var naiveMerge = replace(`/+`, "/")

// aTable makes specs of few names, so that they meet each other.
func aTable(r *rand.Rand) []spec {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	var specs []spec
	taken := map[string]bool{}
	for range 1 + r.IntN(12) {
		s := spec{host: pick("", "", "", "a.b", "b", "*.b", "*.a.b", "c.a.b")}
		for range r.IntN(4) {
			s.prefix += "/" + pick("a", "a", "b", "c", "%40", "x%20y")
		}
		for _, m := range []string{"GET", "POST"} {
			if r.IntN(4) == 0 {
				s.methods = append(s.methods, m)
			}
		}
		for _, h := range []string{"X-A", "x-b"} {
			if r.IntN(5) == 0 {
				s.headers = append(s.headers, [2]string{h, pick("1", "2", "*")})
			}
		}
		p := s.pattern(panics{})
		if !taken[p.requests()] {
			taken[p.requests()] = true
			s.name = string(rune('A' + len(specs)))
			specs = append(specs, s)
		}
	}
	return specs
}

// panics is a TestingT where there is no test.
type panics struct{}

func (panics) Errorf(format string, args ...any) { panic(format) }
func (panics) FailNow()                          { panic("failed") }

// aPath makes a path of what backends read differently.
func aPath(r *rand.Rand) string {
	tokens := []string{
		"/", "/", "/", "/", "a", "a", "b", "c", "..", "..", ".", "%2e", "%2F", "%2f", "%5C", `\`, ";", "%3B", "%61", "%40", "@", "//", "%", "2", "F", "x%20y", "/../",
	}
	path := "/"
	for range r.IntN(14) {
		path += tokens[r.IntN(len(tokens))]
	}
	return path
}
