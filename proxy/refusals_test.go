package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/outcome"
)

// refused waits for the line of the log, and returns what is kept of a refusal besides.
func (p *proxied) refused(lines int) outcome.Refused {
	p.t.Helper()
	p.logged(lines)
	require.Eventually(p.t, func() bool { return len(p.Refused()) == lines }, patience, time.Millisecond)
	return p.Refused()[0]
}

// Every refusal of a request is kept with its reason, its field and its place, and with nothing of
// a value.
func TestRefusedRequestsAreKept(t *testing.T) {
	b, _ := answering(t, ok)
	s := settings()
	s.MaxHeader, s.Route.MaxBody = 1<<10, 100
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	lines := 0
	f := func(method, reason, field, at, excerpt, request string) {
		t.Helper()
		lines++
		assert.GreaterOrEqual(t, p.dial().do(request).StatusCode, 400)
		got := p.refused(lines)
		assert.Equal(t, []string{"request", method, reason, field}, []string{got.Message(), got.Method, got.Reason, got.Field}, "%q", request)
		assert.True(t, strings.HasPrefix(request[min(got.Offset, len(request)):], at), "%q at %d, not %q", request, got.Offset, at)
		assert.Equal(t, excerpt, got.Excerpt)
		assert.Empty(t, got.Detail)
		line := p.logged(lines)
		assert.Equal(t, []any{"request", reason, field, got.Offset}, []any{line.Refused, line.Reason, line.Field, *line.Offset})
	}
	const get = "GET /?token=s3cret HTTP/1.1\r\nHost: x\r\n"
	f("GET", "field-value", "Cookie", "\x01", "xxxxxxx=\x01xxx\r\n\r\n", get+"Cookie: session=\x01abc\r\n\r\n")
	f("GET", "field-name", "", " key: ", "x\r\nx-xxx xxx: xx", get+"X-Api key: abc\r\n\r\n")
	f("PUT", "request-line", "", " /", "xxx /\r\n\r\n", "PUT /\r\n\r\n")
	f("", "not-a-request", "", "\x15", "\x15\x03\x01", "\x15\x03\x01")
	f("", "tls", "", "\x16", "\x16\x03\x01", "\x16\x03\x01")
	f("", "header-size", "", "", "xxxxxxxxxxxxxxxx", "GET / HTTP/1.1\r\nA: "+strings.Repeat("s", 1<<10)+strings.Repeat("s", 100))
	f("", "request-line-size", "", "", "xxxxxxxxxxxxxxxx", "GET /"+strings.Repeat("s", 1<<10)+strings.Repeat("s", 100))
	f("POST", "chunk-size", "", "x\r\nsecret", "\nxx\r\nx\r\nxxxxx", chunked+"2\r\nok\r\nx\r\nsecret")
	f("POST", "body-size", "Content-Length", "101\r", "xxxxxx: xxx\r\n\r\n", sized(101))
	f("POST", "body-size", "", "", "", chunked+chunk(strings.Repeat("s", 101))+chunksEnd)
}

// So are those of responses, whether the head is at fault or the body.
func TestRefusedResponsesAreKept(t *testing.T) {
	f := func(reason, field, at, excerpt, response string) {
		t.Helper()
		b, _ := answering(t, response)
		p := proxyTo(t, b.addr)
		require.True(t, p.dial().send("PUT /?token=s3cret HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n!"))
		got := p.refused(1)
		assert.Equal(t, []string{"response", "PUT", reason, field}, []string{got.Message(), got.Method, got.Reason, got.Field}, "%q", response)
		assert.True(t, strings.HasPrefix(response[got.Offset:], at), "%q at %d, not %q", response, got.Offset, at)
		assert.Equal(t, excerpt, got.Excerpt)
		line := p.logged(1)
		assert.Equal(t, []any{"response", reason, field, got.Offset}, []any{line.Refused, line.Reason, line.Field, *line.Offset})
		assert.NotContains(t, line.Error, "s3cret")
	}
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f("content-length", "Content-Length", "5a", "xxxxxx: xx\r\nx: x", "HTTP/1.1 200 OK\r\nContent-Length: 5a\r\nX: y\r\n\r\nhello")
	f("field-value", "Set-Cookie", "\x00", "xxxxxxxx\x00x\r\n\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie: token=s3cretss\x00x\r\n\r\n")
	f("status-line", "", "999", "xxx/x.x xxx\r\n\r\n", "HTTP/1.1 999\r\n\r\n")
	f("chunk-size", "", "5\r\n", "xxx\r\nx x\r\n", head+"5\r\nhello\r\n5 5\r\n")
	f("interim-count", "", "HTTP", "xxxx/x.x", strings.Repeat("HTTP/1.1 102 x\r\n\r\n", h1.MaxInterim))
}
