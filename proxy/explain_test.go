package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
)

// explained is a proxy whose routes have all that an explanation tells of.
type explained struct {
	*proxied
	limits *limiter.Service
	away   *fakePool
}

func startExplained(t *testing.T) explained {
	t.Helper()
	limits := openLimits(t, map[string]int64{"address": 6, "key": 3})
	pool, _ := answeringOf(t, replies("ok"))
	spare, _ := answeringOf(t, replies("ok"))
	away, _ := answeringOf(t, replies("ok"))
	away.none.Store(true)
	byAddress := useOf(t, limits, "address", "ip", 1)
	exempt, err := route.ParseExemption(nil, []string{"PUT"}, nil)
	require.NoError(t, err)
	health, err := route.ParseExemption(nil, nil, []string{"/api/health"})
	require.NoError(t, err)
	byAddress.Exempt = route.NewExemptions([]route.Exemption{exempt, health})
	byKey := useOf(t, limits, "key", "header:X-Api-Key", 2)
	byKey.ExemptPreflights = true
	respond, err := rewrite.ParseRespond(410, "gone", "text/plain")
	require.NoError(t, err)
	s := settings()
	s.Trusted, err = identity.ParseTrusted([]string{"127.0.0.0/8"})
	require.NoError(t, err)
	p := startRoutes(t, s, []*fakePool{pool, spare, away},
		spec{name: "api", prefix: "/api", Route: Route{
			Destination: Destination{Name: "web", Pool: pool}, Limits: []LimitUse{byAddress, byKey}, MaxBody: 10,
		}},
		spec{name: "v2", prefix: "/api", headers: map[string]string{"X-Version": "2"}, Route: Route{
			Destination: Destination{Name: "away", Pool: away}, Fallback: &Destination{Name: "spare", Pool: spare},
		}},
		spec{name: "down", host: "down.example", Route: Route{Destination: Destination{Name: "away", Pool: away}, Limits: []LimitUse{byAddress}}},
		spec{name: "gone", prefix: "/gone", Route: Route{Respond: &respond, Limits: []LimitUse{byKey}}},
		spec{name: "posts", prefix: "/posts", methods: []string{"POST"}, Route: Route{Destination: Destination{Name: "web", Pool: pool}}},
	)
	return explained{p, limits, away}
}

func question(method, host, target string, fields ...string) Question {
	return Question{Method: method, Host: host, Target: target, Fields: fields, Peer: netip.MustParseAddr("127.0.0.1")}
}

// Explain says of any request what then becomes of it, and changes nothing itself.
func TestExplainIsWhatHappens(t *testing.T) {
	p := startExplained(t)
	rapid.Check(t, func(t *rapid.T) {
		q := question(
			rapid.SampledFrom([]string{"GET", "PUT", "POST", "OPTIONS", "TRACE", "G T"}).Draw(t, "method"),
			rapid.SampledFrom([]string{"a", "a:80", "down.example", "a,b", ""}).Draw(t, "host"),
			rapid.SampledFrom([]string{"/api", "/api/x?q", "/api/health", "/api/%2e%2e/gone", "/api/health%2f..%2f..", "/gone", "/posts", "/none", "*", "/ x"}).Draw(t, "target"),
		)
		addFields := func(name string, values ...string) {
			if v := rapid.SampledFrom(append(values, "")).Draw(t, name); v != "" {
				q.Fields = append(q.Fields, name+": "+v)
			}
		}
		addFields("X-Version", "1", "2")
		addFields("X-Api-Key", "k", "l", "m")
		addFields("X-Forwarded-For", "192.0.2.1", "192.0.2.2, 127.0.0.2", "junk")
		addFields("Max-Forwards", "0", "1", "x")
		addFields("Origin", "https://b")
		addFields("Access-Control-Request-Method", "GET")
		addFields("Content-Length", "0")
		addFields("Transfer-Encoding", "odd")

		before := fmt.Sprint(p.Stats().Stats, p.Takes())
		said := p.Explain(q)
		if again := p.Explain(q); again.Status != said.Status || fmt.Sprint(tokensOf(again)) != fmt.Sprint(tokensOf(said)) {
			t.Fatalf("%+v was explained as %+v, and then as %+v", q, said, again)
		}
		if after := fmt.Sprint(p.Stats().Stats, p.Takes()); before != after {
			t.Fatalf("it counted: %s, before %s", after, before)
		}
		c := p.dial()
		defer c.Close()
		logged := p.lineCount()
		if !c.send(string(q.head())) {
			t.Fatal("the proxy is gone")
		}
		got := c.readAnswer(q.Method)
		if want := said.Status; said.Forwards && got.StatusCode != 200 || !said.Forwards && got.StatusCode != want {
			t.Fatalf("%s was explained as %+v, but is %d: %s", q.head(), said, got.StatusCode, got.body)
		}
		line := p.lineAfter(logged)
		if said.HasRoute && !strings.Contains(line, `"route":"`+said.Route+`"`) {
			t.Fatalf("%s was explained as %+v, but logged as %s", q.head(), said, line)
		}
		if said.Reason != "" && said.Reason != "limited" && !strings.Contains(line, `"reason":"`+said.Reason+`"`) {
			t.Fatalf("%s was explained as %+v, but logged as %s", q.head(), said, line)
		}
		asked := said.Forwards || said.Status == 429 || said.Status == 410
		for _, l := range said.Limits {
			result := map[bool]string{true: "allowed", false: "limited"}[l.Allowed]
			want := fmt.Sprintf(`"limit":%q,"limit_result":%q,"client_id":%q`, l.Name, result, l.ClientID)
			if asked && strings.Contains(line, want) == l.Exempt {
				t.Fatalf("%s was explained as %+v, but logged as %s", q.head(), l, line)
			}
		}
	})
}

// tokensOf is what the buckets of an explanation hold.
func tokensOf(e Explanation) (all []int64) {
	for _, l := range e.Limits {
		all = append(all, l.Remaining)
	}
	return all
}

// lineCount is how many lines the log has.
func (p *proxied) lineCount() int {
	lines := p.log.lines()
	if lines[0] == "" {
		return 0
	}
	return len(lines)
}

// lineAfter awaits the line of the log that follows so many.
func (p *proxied) lineAfter(n int) string {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.lineCount() > n }, patience, time.Millisecond)
	return p.log.lines()[n]
}

func TestExplain(t *testing.T) {
	p := startExplained(t)
	e := p.Explain(question("GET", "a", "/api//x", "X-Api-Key: k"))
	assert.True(t, e.Forwards)
	assert.Equal(t, []any{"/api/x", "api", "web", "web"}, []any{e.Path, e.Route, e.Pool, strings.Join(e.Pools, " ")})
	require.Len(t, e.Limits, 2)
	assert.Equal(t, []any{"address", "ip", "127.0.0.1", int64(6), int64(1)},
		[]any{e.Limits[0].Name, e.Limits[0].Key, e.Limits[0].ClientID, e.Limits[0].Remaining, e.Limits[0].Cost})
	assert.Equal(t, []any{"key", "k", int64(3), int64(2)}, []any{e.Limits[1].Name, e.Limits[1].ClientID, e.Limits[1].Remaining, e.Limits[1].Cost})

	misses := map[string]route.Miss{}
	for _, m := range e.Misses {
		misses[m.Name] = m
	}
	assert.Equal(t, []string{"X-Version"}, misses["v2"].Headers)
	assert.True(t, misses["gone"].Path)
	assert.Equal(t, []bool{true, false}, []bool{misses["down"].Host, misses["down"].Path})
	assert.Equal(t, []bool{true, true}, []bool{misses["posts"].Path, misses["posts"].Method})

	e = p.Explain(question("GET", "a", "/api", "X-Version: 2"))
	assert.Equal(t, []any{"v2", "spare", []string{"away", "spare"}}, []any{e.Route, e.Pool, e.Pools})
	e = p.Explain(question("GET", "down.example", "/"))
	assert.Equal(t, []any{503, "no-backend", ""}, []any{e.Status, e.Reason, e.Pool})
	assert.Len(t, e.Limits, 1, "it tells of the limits also if nobody is healthy")
	e = p.Explain(question("PUT", "a", "/api/health", "Origin: b"))
	assert.Equal(t, []any{true, 0, false}, []any{e.Limits[0].Exempt, e.Limits[0].ExemptBy, e.Limits[0].Preflight})
	e = p.Explain(question("OPTIONS", "a", "/api/health/x", "Origin: b", "Access-Control-Request-Method: GET"))
	assert.Equal(t, []any{1, true}, []any{e.Limits[0].ExemptBy, e.Limits[1].Preflight})
	e = p.Explain(question("GET", "a", "/", "Host: b"))
	assert.Equal(t, []any{400, "host-count", "Host", false}, []any{e.Status, e.Reason, e.Field, e.HasRoute})
	assert.NotEmpty(t, e.Detail)
	e = p.Explain(question("GET", "a", "/posts"))
	assert.Equal(t, []any{http.StatusMethodNotAllowed, "method"}, []any{e.Status, e.Reason})
	e = p.Explain(question("POST", "a", "/api", "Content-Length: 11"))
	assert.Equal(t, []any{413, "body-size", "api"}, []any{e.Status, e.Reason, e.Route})
}

// Of a thousand routes the nearest are told.
func TestExplainTellsTheNearestOfManyRoutes(t *testing.T) {
	pool, _ := answeringOf(t, replies("ok"))
	var specs []spec
	for i := range 1000 {
		specs = append(specs, spec{name: fmt.Sprint("r", i), host: fmt.Sprint("h", i%10), prefix: fmt.Sprint("/a/b/", i)})
	}
	p := startRoutes(t, settings(), []*fakePool{pool}, specs...)
	e := p.Explain(question("GET", "h7", "/a/b/8"))
	assert.Equal(t, 404, e.Status)
	assert.Equal(t, "no-route", e.Reason)
	assert.Len(t, e.Misses, missesShown)
	assert.Equal(t, 1000-missesShown, e.OtherMisses)
	assert.Equal(t, []any{"r8", true, false}, []any{e.Misses[0].Name, e.Misses[0].Host, e.Misses[0].Path})
}

// A pool whose backends all have as many requests as they may takes no other.
func TestExplainOfAFullPool(t *testing.T) {
	full := holdingBackend(t)
	p := startProxy(t, settings(), boundedPoolOf(t, connectionSettings(), 1, 1, full.addr), nil)
	assert.True(t, p.Explain(question("GET", "a", "/")).Forwards)
	waiting := full.occupy(p, 1, plainGet)
	e := p.Explain(question("GET", "a", "/"))
	assert.Equal(t, []any{false, 503, "backend-busy"}, []any{e.Forwards, e.Status, e.Reason})
	assert.Equal(t, 503, p.dial().do(plainGet).StatusCode, "so it is")
	full.letGo(waiting)
}
