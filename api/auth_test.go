package api

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everyCall is one request for each row of the design's table.
func everyCall() []request {
	return []request{
		{method: "POST", target: "/buckets", body: `{"client_id":"a","capacity":1}`},
		{method: "GET", target: "/buckets"},
		{method: "GET", target: "/buckets/a"},
		{method: "PUT", target: "/buckets/a", body: `{}`},
		{method: "PATCH", target: "/buckets/a", body: `{"tokens":1}`},
		{method: "DELETE", target: "/buckets/a"},
		{method: "GET", target: "/backends"},
		{method: "GET", target: "/backends/a/b"},
		{method: "PATCH", target: "/backends/a/b", body: `{"weight":1}`},
		{method: "DELETE", target: "/backends/a/b/override"},
		{method: "GET", target: "/config"},
		{method: "GET", target: "/config/changes"},
		{method: "POST", target: "/reload", body: `{}`},
		{method: "GET", target: "/errors"},
		{method: "GET", target: "/status"},
		{method: "GET", target: "/healthz"},
		{method: "GET", target: "/readyz"},
	}
}

func isHealth(req request) bool { return req.target == "/healthz" || req.target == "/readyz" }

func withToken(settings *Settings, _ *Sources) { settings.Token = "s3cret" }

func TestLoopbackHosts(t *testing.T) {
	r := start(t, nil)
	for _, host := range []string{
		"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "127.255.255.254",
		"[::1]", "[::1]:8080", "[0:0:0:0:0:0:0:1]:80",
	} {
		got := r.do(t, request{method: "GET", target: "/buckets", header: []string{"hOST: " + host}})
		assert.Equal(t, 200, got.status, "%s: %s", host, got.body)
	}
}

// A name server may answer 127.0.0.1 for any of these that it is asked about.
func TestReboundHosts(t *testing.T) {
	r := start(t, nil)
	for _, host := range []string{
		"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1.nip.io:8080",
		"evil.localhost", "localhost.", "localhost:8080.evil.example", "localhostx", "xlocalhost",
		"127.1", "127.0.0.1.", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "0.0.0.0", "0", "10.0.0.1", "192.168.1.1:8080", "128.0.0.1",
		"[::]", "[::2]:8080", "[fe80::1]", "[127.0.0.1]", "[localhost]", "[::1%25lo]",
		"localhost:x", "localhost:99999",
	} {
		for _, req := range everyCall() {
			req.header = []string{"Host: " + host}
			got := r.do(t, req)
			assert.Contains(t, []int{400, 403}, got.status, "%s %s %s", host, req.method, req.target)
		}
	}
	assert.Empty(t, r.fake.takeCalls())
}

func TestIsLoopbackHost(t *testing.T) {
	f := func(host string, want bool) {
		t.Helper()
		assert.Equal(t, want, isLoopbackHost(host), host)
	}
	f("localhost", true)
	f("[::1]:65535", true)
	f("", false)
	f(":8080", false)
	f("::1", false)
	f("[::1", false)
	f("[::1]x", false)
	f("[::1]]:80", false)
	f("[", false)
	f("[]", false)
	f("user@localhost", false)
	f("localhost@evil.example", false)
	f("localhost/", false)
	f("localhost:80:80", false)
	f("localhost:-1", false)
	f("127.0.0.1,evil.example", false)
	f("[::ffff:127.0.0.1]", true)
	f("[::1%lo]", false)
}

func TestForgedRequests(t *testing.T) {
	r := start(t, nil)
	for _, origin := range []string{
		"Origin: https://evil.example", "oRIGIN: null", "Origin:", "Origin: http://localhost:8080\r\nOrigin: x",
		"Origin: http://localhost:8080\r\nOrigin: http://localhost:8080",
		"Origin: https://localhost:8080", "Origin: http://localhost", "Origin: http://localhost:80", "Origin: http://localhost:8081",
		"Origin: http://127.0.0.1:8080", "Origin: localhost:8080", "Origin: http://localhost:8080/", "Origin: http://localhost:8080.evil.example",
		"Origin: http://x@localhost:8080", "Origin: http://localhost:8080 http://evil.example", "Origin: http://localhost:8080, http://evil.example",
	} {
		for _, req := range everyCall() {
			req.header = []string{origin}
			r.do(t, req).problem(t, 403, "forbidden")
		}
	}
	// A preflight gets nothing that would let the request through.
	got := r.do(t, request{method: "OPTIONS", target: "/buckets", header: []string{"Origin: https://evil.example", "Access-Control-Request-Method: PUT"}})
	got.problem(t, 403, "forbidden")
	assert.Empty(t, r.fake.takeCalls())
}

func TestOwnOrigin(t *testing.T) {
	for name, configure := range map[string]func(*Settings, *Sources){"no token": nil, "a token": withToken} {
		t.Run(name, func(t *testing.T) {
			r := start(t, configure)
			f := func(host, origin string) {
				t.Helper()
				for _, req := range everyCall() {
					req.header = []string{"Host: " + host, "Origin: " + origin, "Authorization: Bearer s3cret"}
					got := r.do(t, req)
					assert.Less(t, got.status, 300, "%s %s: %s", host, origin, got.body)
				}
			}
			f("localhost:8080", "http://localhost:8080")
			f("LocalHost:8080", "http://localhost:8080")
			f("127.0.0.1", "http://127.0.0.1")
			f("localhost:80", "http://localhost")
			f("localhost", "http://localhost:80")
			f("[::1]:8080", "http://[::1]:8080")
		})
	}
}

func TestForgedRequestsWithAToken(t *testing.T) {
	r := start(t, withToken)
	for _, origin := range []string{"https://admin.example.com", "http://evil.example", "null"} {
		req := request{method: "GET", target: "/buckets", header: []string{"Host: admin.example.com", "Origin: " + origin, "Authorization: Bearer s3cret"}}
		r.do(t, req).problem(t, 403, "forbidden")
	}
	assert.Empty(t, r.fake.takeCalls())
}

func TestToken(t *testing.T) {
	r := start(t, withToken)
	for _, authorization := range []string{"Authorization: Bearer s3cret", "aUTHORIZATION: bEARER  s3cret"} {
		for _, req := range everyCall() {
			req.header = []string{authorization, "Host: admin.example.com", "Origin: http://admin.example.com"}
			got := r.do(t, req)
			assert.Less(t, got.status, 300, "%s %s: %s", req.method, req.target, got.body)
		}
	}
}

func TestWrongTokens(t *testing.T) {
	r := start(t, withToken)
	for name, header := range map[string][]string{
		"none":           nil,
		"wrong":          {"Authorization: Bearer s3cres"},
		"empty":          {"Authorization: Bearer "},
		"no value":       {"Authorization:"},
		"prefix":         {"Authorization: Bearer s3cre"},
		"longer":         {"Authorization: Bearer s3crets"},
		"two words":      {"Authorization: Bearer s3cret s3cret"},
		"case":           {"Authorization: Bearer S3CRET"},
		"no scheme":      {"Authorization: s3cret"},
		"basic":          {"Authorization: Basic s3cret"},
		"list":           {"Authorization: Bearer x, Bearer s3cret"},
		"two headers":    {"Authorization: Bearer s3cret", "Authorization: Bearer s3cret"},
		"proxy's":        {"Proxy-Authorization: Bearer s3cret"},
		"underscore":     {"X_Authorization: Bearer s3cret"},
		"cookie":         {"Cookie: token=s3cret"},
		"loopback alone": {"Host: 127.0.0.1:8080"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, req := range everyCall() {
				req.header = header
				got := r.do(t, req)
				if isHealth(req) {
					assert.Equal(t, 200, got.status, got.body)
					continue
				}
				p := got.problem(t, 401, "unauthorized")
				assert.Equal(t, "Bearer", got.get("WWW-Authenticate"))
				assert.NotContains(t, p["detail"], "s3cret")
			}
		})
	}
	assert.Empty(t, r.fake.takeCalls())
}

func TestTokenHidesWhatThereIs(t *testing.T) {
	r := start(t, withToken)
	for _, target := range []string{"/page/", "/page/none.js", "/page/../status", "/nothing", "/buckets/", "/healthz/", "/HEALTHZ", "/%68ealthz", "/healthz%2F..%2Fstatus", "/healthz/../status"} {
		r.do(t, request{method: "GET", target: target}).problem(t, 401, "unauthorized")
	}
}

func TestTargetsThatSayTwoThings(t *testing.T) {
	r := start(t, withToken)
	for _, target := range []string{
		"http://localhost/healthz", "http://evil.example/buckets", "//localhost/healthz", "//a://b/healthz", "*", "/healthz#/../buckets",
	} {
		method := "GET"
		if target == "*" {
			method = "OPTIONS"
		}
		r.do(t, request{method: method, target: target}).problem(t, 400, "bad-request")
	}
}

func TestHostIsThereOnce(t *testing.T) {
	r := start(t, nil)
	f := func(raw string) {
		t.Helper()
		r.raw(t, false, raw).problem(t, 400, "bad-request")
	}
	f("GET /buckets HTTP/1.1\r\n\r\n")
	f("GET /buckets HTTP/1.1\r\nHost:\r\n\r\n")
	f("GET /buckets HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n")
	f("GET /buckets HTTP/1.1\r\nHost: localhost\r\nhost: evil.example\r\n\r\n")
	f("GET /buckets HTTP/1.0\r\n\r\n")
	assert.Empty(t, r.fake.takeCalls())
}

// A token that may only read gets what GET and HEAD get, and nothing that changes anything.
func TestReadToken(t *testing.T) {
	for name, tokens := range map[string]Settings{
		"beside the other": {Token: "s3cret", ReadToken: "r3ader"},
		"alone":            {ReadToken: "r3ader"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(s *Settings, _ *Sources) { s.Token, s.ReadToken = tokens.Token, tokens.ReadToken })
			for _, req := range everyCall() {
				req.header = []string{"Authorization: Bearer r3ader", "Host: admin.example.com"}
				got := r.do(t, req)
				if req.method == "GET" || isHealth(req) {
					assert.Equal(t, 200, got.status, "%s %s: %s", req.method, req.target, got.body)
					continue
				}
				p := got.problem(t, 403, "forbidden")
				assert.Contains(t, p["detail"], "admin.read_token, which may only GET")
				req.header = []string{"Authorization: Bearer s3cret"}
				want := 401
				if tokens.Token != "" {
					want = 0
				}
				if got := r.do(t, req); want != 0 {
					assert.Equal(t, want, got.status, got.body)
				} else {
					assert.Less(t, got.status, 300, got.body)
				}
			}
			for _, req := range everyCall() {
				if isHealth(req) {
					continue
				}
				r.do(t, req).problem(t, 401, "unauthorized")
				req.header = []string{"Authorization: Bearer "}
				r.do(t, req).problem(t, 401, "unauthorized")
			}
			for _, method := range []string{"OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND"} {
				got := r.do(t, request{method: method, target: "/status", header: []string{"Authorization: Bearer r3ader"}})
				assert.Contains(t, []int{400, 403}, got.status, "%s: %s", method, got.body)
			}
		})
	}
}

func TestListenersThatOthersReach(t *testing.T) {
	f := func(ip string, s Settings, want string) {
		t.Helper()
		err := s.CheckListener(&net.TCPAddr{IP: net.ParseIP(ip), Port: 8080})
		if want == "" {
			assert.NoError(t, err, ip)
			return
		}
		assert.ErrorContains(t, err, want, ip)
	}
	secure := &tls.Config{}
	for _, ip := range []string{"127.0.0.1", "127.9.9.9", "::1"} {
		f(ip, Settings{}, "")
		f(ip, Settings{TLS: secure}, "")
	}
	for _, ip := range []string{"0.0.0.0", "::", "10.0.0.1"} {
		f(ip, Settings{}, "there is no token")
		f(ip, Settings{TLS: secure, Insecure: true}, "there is no token")
		f(ip, Settings{Token: "s3cret"}, "would cross the network in clear; want admin.cert")
		f(ip, Settings{Token: "s3cret", TLS: secure}, "")
		f(ip, Settings{ReadToken: "s3cret", TLS: secure}, "")
		f(ip, Settings{Token: "s3cret", Insecure: true}, "")
	}
	require.NoError(t, Settings{}.CheckListener(&net.UnixAddr{Name: "/run/admin.sock"}))
}
