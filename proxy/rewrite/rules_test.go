package rewrite

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/route"
)

func rulesOf(t *testing.T, strip, add string, request, response FieldChanges) *Rules {
	t.Helper()
	path, err := ParsePathRules(strip, add)
	require.NoError(t, err)
	req, err := ParseRequestFields(request)
	require.NoError(t, err)
	resp, err := ParseResponseFields(response)
	require.NoError(t, err)
	return &Rules{Path: path, Request: req, Response: resp}
}

// The path that a backend gets is the normal form with the prefixes changed. What is no path stays.
func TestRulesOfThePath(t *testing.T) {
	f := func(method, target, want string) {
		t.Helper()
		r := headOf(t, method+" "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
		r.Rules = rulesOf(t, "/api", "/v1", FieldChanges{}, FieldChanges{})
		r.Path = &route.Path{}
		r.Path.Read(r.Received.Path)
		assert.Equal(t, method+" "+want+" HTTP/1.1\r\nHost: a\r\n"+ours("a")+"\r\n", string(r.AppendHead(nil)))
	}
	f("GET", "/api/x?y=/api", "/v1/x?y=/api")
	f("GET", "/api", "/v1")
	f("GET", "/%61pi/./x//y", "/v1/x/y")
	f("GET", "/apis", "/v1/apis")
	f("GET", "http://a", "/v1/")
	f("GET", "http://a?b", "/v1/?b")
	f("OPTIONS", "*", "*")
	f("OPTIONS", "http://a", "*")
}

// The route's changes of fields come last, before what frames the message, and hold for trailers.
func TestRulesOfFields(t *testing.T) {
	rules := rulesOf(t, "", "", FieldChanges{
		Set: map[string]string{"X-Tenant": "a"}, Remove: []string{"Cookie", "X-Real-IP"},
	}, FieldChanges{
		Set: map[string]string{"Server": "x"}, Remove: []string{"X-Powered-By"},
	})
	r := headOf(t, "POST / HTTP/1.1\r\nHost: a\r\nCookie: b\r\nx_tenant: c\r\nContent-Length: 3\r\n\r\n")
	r.Rules = rules
	assert.Equal(t, "POST / HTTP/1.1\r\nHost: a\r\n"+http1test.Lines(
		"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: a", "X-Forwarded-Port: 80", "X-Request-ID: id", "X-Tenant: a", "Content-Length: 3",
	)+"\r\n", string(r.AppendHead(nil)))
	assert.False(t, r.PassesTrailer(http1.Field{Name: []byte("cookie")}))

	f := func(status string, want ...string) {
		t.Helper()
		got := fieldsOf(Response{
			Received: http1test.Response(t, "HTTP/1.1 "+status+"\r\nx-powered-by: y\r\nServer: y\r\nLink: z\r\n\r\n"),
			Rules:    &rules.Response, Lines: []byte("RateLimit: a\r\n"),
		})
		assert.Equal(t, want, got, status)
	}
	f("200 OK", "Link: z", "RateLimit: a", "Server: x")
	f("103 Early Hints", "Link: z")
	response := Response{Received: http1test.Response(t, okResponse()), Rules: &rules.Response}
	assert.False(t, response.PassesTrailer(http1.Field{Name: []byte("X_Powered_By")}))
	assert.True(t, response.PassesTrailer(http1.Field{Name: []byte("X-Checksum")}))

	var own Reply
	own.Begin(200, "text/plain", []byte("ok"))
	own.AddText("Server", "y")
	own.Rules = &rules.Response
	assert.Contains(t, string(own.AppendHead(nil)), "\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nServer: x\r\n")
	assert.NotContains(t, string(own.AppendHead(nil)), "Server: y")
}
