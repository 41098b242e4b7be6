package api

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

func TestExplain(t *testing.T) {
	var asked Question
	at := time.Date(2026, 11, 29, 7, 0, 0, 0, time.UTC)
	r := start(t, func(settings *Settings, s *Sources) {
		settings.Token, settings.ReadToken = "write", "read"
		route, pool := "api", "web"
		s.Explain = func(q Question) Explanation {
			asked = q
			return Explanation{
				ClientIP: "192.0.2.1", Path: "/x", Result: RefusedIt, Status: 429, Reason: "limited", Route: &route, Pool: &pool,
				OtherRoutes: []MissedRoute{{Route: "b", Host: "b.example"}}, MoreRoutes: 7, Pools: []ExplainedPool{{Pool: "web"}},
				Listeners: []Listener{
					{Listen: ":80", Protocols: []string{"http/1.1"}, RedirectPort: 443}, {Listen: ":443", TLS: true, Protocols: []string{"h2"}, MinVersion: "1.2", ClientAuth: "off"},
				},
				Limits: []ExplainedLimit{
					{Limit: "default", Result: "limited", ClientID: "k", Cost: 1, Capacity: 10, Refill: &gcra.Refill{Amount: 1, Per: time.Minute}, RetryAfter: 3},
					{Limit: "other", Result: "exempt", ExemptBy: "limits.other.exempt[0]"},
				},
			}
		}
		s.Backends = func() []balancer.BackendStatus {
			probed := balancer.BackendStatus{Pool: "web", State: balancer.Ready, Healthy: true, LastProbe: "connect: refused", LastProbeAt: at}
			f := func(url string, change func(*balancer.BackendStatus)) balancer.BackendStatus {
				b := probed
				b.URL = url
				change(&b)
				return b
			}
			return []balancer.BackendStatus{
				f("up", func(b *balancer.BackendStatus) { b.EffectiveWeight = 1 }),
				f("busy", func(b *balancer.BackendStatus) { b.EffectiveWeight, b.InFlight, b.MaxInFlight = 1, 9, 10 }),
				f("full", func(b *balancer.BackendStatus) { b.EffectiveWeight, b.InFlight, b.MaxInFlight = 1, 10, 10 }),
				f("drained", func(b *balancer.BackendStatus) { b.State = balancer.Drain }),
				f("fresh", func(b *balancer.BackendStatus) { b.LastProbe, b.Healthy = "", false }),
				f("down", func(b *balancer.BackendStatus) { b.Healthy = false }),
				f("ejected", func(b *balancer.BackendStatus) { b.Ejected, b.EjectedUntil, b.EjectedWhy = true, at, "5 failures" }),
				f("backup", func(b *balancer.BackendStatus) { b.Backup = true }),
				f("elsewhere", func(b *balancer.BackendStatus) { b.Pool = "other" }),
			}
		}
	})
	r.fake.snap = limiter.Snapshot{Tier: "gold", Managed: true}
	const question = `{"method":"PUT","host":"a","path":"/x?y","headers":["A: b"],"client_ip":"::ffff:192.0.2.1"}`
	got := r.do(t, request{method: "POST", target: "/explain", header: []string{"Authorization: Bearer read"}, body: question})
	assert.Equal(t, 200, got.status)
	assert.Equal(t, Question{Method: "PUT", Host: "a", Path: "/x?y", Headers: []string{"A: b"}, ClientIP: netip.MustParseAddr("192.0.2.1")}, asked)
	assert.JSONEq(t, `{"client_ip":"192.0.2.1","path":"/x","result":"refused","status":429,"reason":"limited",
		"route":"api","other_routes":[{"route":"b","host":"b.example"}],"more_routes":7,
		"limits":[
			{"limit":"default","limit_result":"limited","key":"","client_id":"k","cost":1,"tokens":0,"capacity":10,"refill":"1/1m",
				"retry_after_seconds":3,"next_token_seconds":0,"tier":"gold","managed":true},
			{"limit":"other","limit_result":"exempt","exempt_by":"limits.other.exempt[0]","key":"","cost":0,"tokens":0,
				"retry_after_seconds":0,"next_token_seconds":0,"managed":false}],
		"pool":"web","pools":[{"pool":"web","backends":[
			{"backend":"up","available":true},
			{"backend":"busy","available":true},
			{"backend":"full","available":false,"why":"full: it has 10 requests in flight, as many as it may"},
			{"backend":"drained","available":false,"why":"its state is drain"},
			{"backend":"fresh","available":false,"why":"it was not probed yet"},
			{"backend":"down","available":false,"why":"down: connect: refused, at 2026-11-29T07:00:00Z"},
			{"backend":"ejected","available":false,"why":"ejected until 2026-11-29T07:00:00Z: 5 failures"},
			{"backend":"backup","available":false,"why":"a backup: it gets requests only while no other backend is available"}]}],
		"listeners":[{"listen":":80","tls":false,"protocols":["http/1.1"],"redirect_port":443},{"listen":":443","tls":true,"protocols":["h2"],"min_version":"1.2","client_auth":"off"}]}`, got.body)

	// What is asked is checked before.
	for body, wanted := range map[string]string{
		`{"host":"a","hots":"b"}`:              "unknown member",
		`{}`:                                   "host is missing",
		`{"host":""}`:                          "host is missing",
		`{"host":"a","path":"/\r\nX: y"}`:      "path has a control character at byte 1",
		`{"host":"a","method":"G\nT"}`:         "method has a control character",
		`{"host":"a","headers":["no"]}`:        "headers has",
		`{"host":"a","headers":["a: \u0000"]}`: "headers has a control character",
		`{"host":"a","headers":null}`:          "want an array of strings",
		`{"host":"a","headers":[null]}`:        "want an array of strings",
		`{"host":"a","headers":"A: b"}`:        "want an array of strings",
		`{"host":"a","client_ip":"fe80::1%1"}`: "client_ip is",
	} {
		p := r.do(t, request{method: "POST", target: "/explain", header: []string{"Authorization: Bearer read"}, body: body}).problem(t, 400, "bad-request")
		assert.Contains(t, p["detail"], wanted, body)
	}
	r.do(t, request{method: "POST", target: "/reload", header: []string{"Authorization: Bearer read"}, body: "{}"}).problem(t, 403, "forbidden")
	r.do(t, request{method: "POST", target: "/explain", body: question}).problem(t, 401, "unauthorized")
	r.do(t, request{method: "GET", target: "/explain", header: []string{"Authorization: Bearer read"}}).problem(t, 405, "method-not-allowed")
	r.do(t, request{method: "POST", target: "/explain?x", header: []string{"Authorization: Bearer write"}, body: question}).problem(t, 400, "bad-request")
}

func TestExplainBeforeTheStart(t *testing.T) {
	r := start(t, nil)
	r.do(t, request{method: "POST", target: "/explain", body: `{"host":"a"}`}).problem(t, 503, "starting")
}
