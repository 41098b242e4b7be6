package proxy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// accessLine is a line of the access log.
type accessLine struct {
	Level, Message, Msg string
	Request             struct {
		Method, Host, URI, Proto string
		ClientIP                 string `json:"client_ip"`
		RemoteIP                 string `json:"remote_ip"`
	}
	Status          int
	Size            int64
	Duration        float64
	Backend         string
	BackendDuration float64 `json:"backend_duration"`
	Retries         *int
	RequestID       string `json:"request_id"`
	Route, Limit    string
	LimitResult     string `json:"limit_result"`
	ClientID        string `json:"client_id"`
	Error           string
	Refused         string
	Reason, Field   string
	Attempts        []loggedAttempt
	Offset          *int
}

// loggedAttempt is one of the attempts in a line.
type loggedAttempt struct{ Backend, Reason string }

// logged waits for the log to have n lines and returns the last.
func (p *proxied) logged(n int) (line accessLine) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return len(p.log.lines()) >= n && p.log.lines()[n-1] != "" }, patience, time.Millisecond)
	require.NoError(p.t, json.Unmarshal([]byte(p.log.lines()[n-1]), &line))
	return line
}

func TestAccessLog(t *testing.T) {
	const large = 100_000
	b, got := answering(t, "HTTP/1.1 201 Created\r\nSet-Cookie: hush\r\nTransfer-Encoding: chunked\r\n\r\n186A0\r\n"+strings.Repeat("x", large)+"\r\n0\r\n\r\n")
	l := &fakeLimiter{}
	l.left.Store(1)
	s := settings()
	key, err := identity.ParseKey("header:X-Api-Key", true)
	require.NoError(t, err)
	s.Key, s.Limit = key, "default"
	s.Trusted, err = identity.ParseTrusted([]string{"127.0.0.0/8"})
	require.NoError(t, err)
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), l)
	c := p.dial()
	const request = "GET /a?token=%22 HTTP/1.1\r\nHost: Shop.example\r\nX-Api-Key: hush\r\nAuthorization: hush\r\nCookie: hush\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
	assert.Len(t, c.do(request).body, large)

	line := p.logged(1)
	assert.Equal(t, "info", line.Level)
	assert.Equal(t, "request", line.Msg)
	assert.Equal(t, "GET", line.Request.Method)
	assert.Equal(t, "Shop.example", line.Request.Host)
	assert.Equal(t, "/a?token=%22", line.Request.URI)
	assert.Equal(t, "HTTP/1.1", line.Request.Proto)
	assert.Equal(t, "192.0.2.1", line.Request.ClientIP)
	assert.Equal(t, "127.0.0.1", line.Request.RemoteIP)
	assert.Equal(t, 201, line.Status)
	assert.EqualValues(t, large, line.Size)
	assert.Positive(t, line.Duration)
	assert.Equal(t, "http://"+b.addr, line.Backend)
	assert.Positive(t, line.BackendDuration)
	assert.LessOrEqual(t, line.BackendDuration, line.Duration)
	assert.Equal(t, 0, *line.Retries)
	assert.Contains(t, got.list()[0], "X-Request-ID: "+line.RequestID+"\r\n")
	assert.Equal(t, "default", line.Limit)
	assert.Equal(t, "allowed", line.LimitResult)
	assert.Equal(t, key.ClientID("hush"), line.ClientID)
	assert.Empty(t, line.Error)

	a := c.do(request)
	line = p.logged(2)
	assert.Equal(t, 429, line.Status)
	assert.Equal(t, "limited", line.LimitResult)
	assert.Equal(t, a.Header.Get("X-Request-ID"), line.RequestID)
	assert.EqualValues(t, len(a.body), line.Size)
	assert.Empty(t, line.Backend)
	assert.NotContains(t, strings.Join(p.log.lines(), ""), "hush")
}

// A failure's line says why, for the operator only; and one is enough if the request was sent
// twice.
func TestAccessLogOfFailures(t *testing.T) {
	p := startProxy(t, settings(), deadBefore(t), nil)
	addr := p.pool.backends[0].Addr()
	a := p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	p.isProblem(a, 502, "backend-broken")
	line := p.logged(1)
	assert.Equal(t, "error", line.Level)
	assert.Equal(t, 502, line.Status)
	assert.Equal(t, 1, *line.Retries)
	assert.Equal(t, "connect: connection refused", line.Error)
	assert.Equal(t, "http://"+addr, line.Backend)

	// What could not be read is not described.
	p.isProblem(p.dial().do("nonsense\r\n\r\n"), 400, "")
	line = p.logged(2)
	assert.Equal(t, 400, line.Status)
	assert.Equal(t, "info", line.Level)
	assert.Empty(t, line.Request.Method)
	assert.Equal(t, "127.0.0.1", line.Request.RemoteIP)
}

// The line of a refused request names the rule, the field and the place, and a failure's its
// reason.
func TestAccessLogOfRefusals(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	const head = "GET / HTTP/1.1\r\nHost: x\r\nX-A: "
	p.isProblem(p.dial().do(head+"hu\x01sh\r\n\r\n"), 400, "")
	line := p.logged(1)
	assert.Equal(t, []any{"field-value", "X-A", len(head) + 2}, []any{line.Reason, line.Field, *line.Offset})
	assert.Equal(t, "a control character in a header value", line.Error)

	p.isProblem(p.dial().do("\x16\x03\x01"), 400, "")
	line = p.logged(2)
	assert.Equal(t, "tls", line.Reason)
	assert.Zero(t, *line.Offset)
	assert.Equal(t, 200, p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").StatusCode)
	p.logged(3)
	assert.NotContains(t, p.log.lines()[2], "reason")
}

// What can't be read is not logged either: it may be a secret.
func TestAccessLogOfSecretsThatCannotBeRead(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: hush\x01\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nhush\r\n\r\n",
		"GET / HTTP/1.1 hush\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nCookie: hush" + strings.Repeat("x", 16<<10),
		chunked + "0\r\nX: hush\x01\r\n\r\n",
	} {
		a := p.dial().do(request)
		assert.GreaterOrEqual(t, a.StatusCode, 400)
		assert.NotContains(t, a.body, "hush")
	}
	p.logged(5)
	assert.NotContains(t, strings.Join(p.log.lines(), ""), "hush")
}

// The log has no secrets of a backend's either, if its response can't be read.
func TestAccessLogOfBackendsSecrets(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Session: hush\x01\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nCookie: hush\r\nhush : x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nSet-Cookie: hush\x01\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: hush\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: hush\r\n\r\n",
	} {
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(answer)
		})
		p := proxyTo(t, b.addr)
		require.True(t, p.dial().send("POST / HTTP/1.1\r\nHost: x\r\n\r\n"))
		assert.NotEmpty(t, p.logged(1).Error)
		assert.NotContains(t, p.log.lines()[0], "hush", "%q", answer)
	}
}

// A password in a request target stays out of the log, as does one where a host should be.
func TestWithoutUserinfo(t *testing.T) {
	f := func(target, want string) {
		t.Helper()
		was := strings.Clone(target)
		in := []byte(target)
		assert.Equal(t, want, string(http1.WithoutUserinfo(in)))
		assert.Equal(t, was, string(in))
	}
	for _, same := range []string{"", "*", "/", "/a@b", "//u:p@x/", "http://x", "https://x/a@b?c@d", "x:80", "[::1]:80"} {
		f(same, same)
	}
	f("http://u:p@x/a@b", "http://x/a@b")
	f("HTTPS://u:p@x", "HTTPS://x")
	f("http://u:p@q@x?a@b", "http://x?a@b")
	f("u:p@x:443", "x:443")
	f("ftp://u:p@x/", "x/")
	f("http:/u:p@x/", "x/")

	p := proxyTo(t)
	p.isProblem(p.dial().do("GET http://u:hush@x/ HTTP/1.0\r\n\r\n"), 400, "")
	line := p.logged(1)
	assert.Equal(t, "http://x/", line.Request.URI)
	assert.Equal(t, "x", line.Request.Host)
	p.isProblem(p.dial().do("GET / HTTP/1.1\r\nHost: u:hush@x\r\n\r\n"), 400, "")
	assert.Equal(t, "x", p.logged(2).Request.Host)
}

func TestAccessLogOfCutAnswers(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")
	})
	p := proxyTo(t, b.addr)
	assert.Error(t, p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").err)
	line := p.logged(1)
	assert.Equal(t, 200, line.Status)
	assert.EqualValues(t, 3, line.Size)
	assert.Contains(t, line.Error, "unexpected EOF")
}

// Switched off, it has only what we failed at.
func TestAccessLogOff(t *testing.T) {
	b, _ := answering(t, ok)
	s := settings()
	s.Log.Access = false
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	c := p.dial()
	assert.Equal(t, "ok", c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	p.pool.none.Store(true)
	p.isProblem(c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 503, "no-backend")
	line := p.logged(1)
	assert.Equal(t, 503, line.Status)
	assert.Positive(t, line.Duration)
	assert.Len(t, p.log.lines(), 1)

	cut := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")
	})
	p = startProxy(t, s, poolOf(t, connectionSettings(), cut.addr), nil)
	assert.Error(t, p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").err)
	assert.Equal(t, "error", p.logged(1).Level)
}
