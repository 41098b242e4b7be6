package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
)

func TestExplainText(t *testing.T) {
	const body = `{"client_ip":"192.0.2.1","path":"/cart","result":"refused","status":429,"reason":"limited","route":"shop",
		"other_routes":[{"route":"beta","match_headers":["X-Beta: 1"]},{"route":"www","host":"www.example","path_prefix":"/p","methods":"POST"},{"route":"all"}],
		"more_routes":990,"limits":[
			{"limit":"address","limit_result":"limited","key":"ip","client_id":"192.0.2.1","cost":1,"tokens":0,"capacity":10,"refill":"1/1m","retry_after_seconds":3.25,"next_token_seconds":1.25,"managed":false},
			{"limit":"key","limit_result":"exempt","exempt_by":"limits.key.exempt[1]","key":"header:X-Api-Key","cost":1}],
		"pool":"web","pools":[{"pool":"web","backends":[{"backend":"http://a:1","available":true},{"backend":"http://b:1","available":false,"why":"down: refused"}]}],
		"listeners":[{"listen":":80","tls":false,"redirect_port":443},{"listen":":443","tls":true,"min_version":"1.2","client_auth":"require","proxy_protocol":["10.0.0.0/8"]}]}`
	f := startAdmin(t, map[string]string{"POST /explain": "200 " + compact(t, body)})
	f.prints(t, 0, `result  429 limited
route   shop
path    /cart
client  192.0.2.1

LISTENER  TLS       WHAT IT DOES                  CLIENT CERTIFICATE  PROXY HEADER FROM
:80       -         redirects to https, port 443  -                   -
:443      from 1.2  serves                        require             10.0.0.0/8

LIMIT    RESULT                          CLIENT     KEY               COST  TOKENS  OF  REFILL  NEXT IN  ENOUGH IN  TIER  SET BY
address  limited                         192.0.2.1  ip                1     0       10  1/1m    1.3s     3.3s       -     default
key      exempt by limits.key.exempt[1]  -          header:X-Api-Key  1     -       -   -       -        -          -     -

POOL  BACKEND     AVAILABLE  WHY NOT
web   http://a:1  yes        -
web   http://b:1  no         down: refused

OTHER ROUTE  WHY NOT
beta         wants header X-Beta: 1
www          wants host www.example, path /p, method POST
all          it matches, but another one comes first
and 990 more routes
`, "", "explain", "--method", "PUT", "--header", "A: b", "--header", "C: d", "--client", "192.0.2.1", "https://shop.example?id=1#top")
	assert.Equal(t, `POST /explain {"method":"PUT","host":"shop.example","path":"/?id=1","headers":["A: b","C: d"],"client_ip":"192.0.2.1"}`, f.asked[len(f.asked)-1])
	f.prints(t, 0, compact(t, body)+"\n", "", "explain", "--json", "http://a/")

	f.responses["POST /explain"] = `200 {"path":"/","result":"refused","status":400,"reason":"host-count","field":"Host","detail":"two","route":null}`
	f.prints(t, 0, "result  400 host-count of Host: two\nroute   none\npath    /\nclient  -\n", "", "explain", "http://a/")
	f.responses["POST /explain"] = `200 {"client_ip":"::1","path":"/","result":"responded","status":301,"route":"old"}`
	f.prints(t, 0, "result  301, a response of the proxy's own\nroute   old\npath    /\nclient  ::1\n", "", "explain", "http://a")
}

func TestExplainRefusalText(t *testing.T) {
	f := startAdmin(t, map[string]string{"GET /refusals/a%2Fb": `200 {"time":"2026-11-29T07:00:00.000Z","request_id":"a/b","client_ip":"::1","route":"api","status":429,"reason":"limited","limit":"key","client_id":"k","one_in":1}`})
	f.prints(t, 0, "result  429 limited, TIME ago\nroute   api\nclient  ::1\nlimit   key, for k: `equalizer buckets get` has its bucket\n", "", "explain", "a/b")
}

// compact is JSON on one line.
func compact(t *testing.T, text string) string {
	t.Helper()
	var value json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &value))
	body, err := json.Marshal(value)
	require.NoError(t, err)
	return string(body)
}

func TestErrorsTable(t *testing.T) {
	f := startAdmin(t, map[string]string{"GET /errors": `200 [{"time":"2026-11-23T07:21:02.000Z","refused":"request","method":"GET","reason":"field-value","field":"X-A","offset":31,"excerpt":"xx \u0001\r\n"}]`})
	f.prints(t, 0, "WHEN      REFUSED  METHOD  RULE         FIELD  AT BYTE  AROUND IT\n"+
		`TIME ago  request  GET     field-value  X-A    31       "xx \x01\r\n"`+"\n", "", "errors")
	f.responses["GET /errors"] = "200 []"
	f.prints(t, 0, "no message was refused\n", "", "errors")
	f.prints(t, 0, "[]\n", "", "errors", "--json")
}

// What explain says is what then happens, and asking spends nothing.
func TestExplainByCommand(t *testing.T) {
	backends, flags := startBackends(t, 2)
	p := launch(t, free(append(flags, "--store", "memory", "--capacity", "1", "--refill", "1/1h")...)...)
	explain := func(args ...string) (e api.Explanation) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(p.command(append([]string{"explain", "--json"}, args...)...)), &e))
		return e
	}
	for range 2 {
		e := explain(p.proxy + "/a//b")
		assert.Equal(t, []any{"forwarded", 200, "/a/b", "default"}, []any{e.Result, e.Status, e.Path, *e.Pool})
		require.Len(t, e.Limits, 1)
		assert.Equal(t, []any{"allowed", "127.0.0.1", int64(1)}, []any{e.Limits[0].Result, e.Limits[0].ClientID, e.Limits[0].Tokens})
	}
	assert.Equal(t, http.StatusOK, p.get("/a//b").status)
	e := explain(p.proxy + "/a//b")
	assert.Equal(t, []any{"refused", 429, "limited"}, []any{e.Result, e.Status, e.Reason})
	assert.InDelta(t, 3600, e.Limits[0].NextToken, 60)
	refused := p.get("/a//b")
	assert.Equal(t, http.StatusTooManyRequests, refused.status)
	assert.Contains(t, p.command("explain", refused.header.Get("X-Request-ID")), "limit   default, for 127.0.0.1")
	assert.Equal(t, "forwarded", explain("--client", "192.0.2.1", p.proxy+"/").Result)

	p.command("backends", "drain", backends[0].address)
	p.command("backends", "drain", backends[1].address)
	e = explain("--client", "192.0.2.1", p.proxy+"/")
	assert.Equal(t, []any{503, "no-backend"}, []any{e.Status, e.Reason})
	for _, b := range e.Pools[0].Backends {
		assert.Equal(t, "its state is drain", b.Why)
	}
	assert.Contains(t, p.command("explain", p.proxy), "503 no-backend: no backend is healthy")
	assert.Contains(t, p.command("explain", "--header", "Host: b", p.proxy), "400 host-count of Host")
}

// Each listener tells what it does before: it redirects, or asks for what TLS wants of the host's
// clients.
func TestExplainTellsOfListeners(t *testing.T) {
	c := config.Default()
	c.TLS.MinVersion = "1.2"
	c.Listeners = []config.Listener{
		{Listen: ":80", RedirectHTTPS: true},
		{Listen: ":443", TLS: true, ClientAuth: "off"},
		{Listen: ":8443", TLS: true, MinVersion: "1.3", ClientAuth: "request", ProxyProtocol: []string{"10.0.0.1"}},
	}
	c.TLS.Hosts = []config.TLSHost{{Host: "*.b.test", ClientAuth: "require"}, {Host: "a.b.test", MinVersion: "1.3"}}
	f := func(host string, want ...string) {
		t.Helper()
		var got []string
		for _, l := range explained(proxy.Explanation{}, host, config.Loaded{Config: c}).Listeners {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %d %s %s %s", l.Listen, l.RedirectPort, l.MinVersion, l.ClientAuth, strings.Join(l.ProxyProtocol, " "))))
		}
		assert.Equal(t, want, got, host)
	}
	f("a.test", ":80 443", ":443 0 1.2 off", ":8443 0 1.3 request 10.0.0.1")
	f("x.B.test:8443", ":80 443", ":443 0 1.2 require", ":8443 0 1.3 require 10.0.0.1")
	f("a.b.test.", ":80 443", ":443 0 1.3 off", ":8443 0 1.3 request 10.0.0.1")
	f("x.y.b.test", ":80 443", ":443 0 1.2 off", ":8443 0 1.3 request 10.0.0.1")
	c.Listeners = nil
	f("a.test", ":8000 0")
}
