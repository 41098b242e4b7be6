package http1

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A refusal says which rule was broken, whose field it is about and where: at names what stands
// there.
func TestRefusalSaysWhere(t *testing.T) {
	f := func(reason, field, at, head string) {
		t.Helper()
		_, r := parse(t, head)
		require.NotNil(t, r, "%q", head)
		assert.Equal(t, []string{reason, field}, []string{r.Reason, r.Field}, "%q", head)
		assert.True(t, strings.HasPrefix(head[r.Offset:], at), "%q: %q, not %q", head, head[r.Offset:], at)
		assert.Equal(t, r.Detail, r.Error())
	}
	const end = "\r\nHost: a\r\n\r\n"
	f("line-end", "", "\nHost", "GET / HTTP/1.1\nHost: a\r\n\r\n")
	f("method", "", "(T", "\r\nG(T / HTTP/1.1"+end)
	f("method", "", " / ", " / HTTP/1.1"+end)
	f("request-line", "", " /a\r", "GET /a"+end)
	f("request-line", "", "\r\n", "GET"+end)
	f("version", "", "HTTP/2", "GET / HTTP/2.0"+end)
	f("connect", "", "CONNECT", "CONNECT a:1 HTTP/1.1"+end)
	f("target-asterisk", "", "* ", "GET * HTTP/1.1"+end)
	f("target-byte", "", "#c", "GET /ab#c HTTP/1.1"+end)
	f("target-byte", "", " HTTP", "GET  HTTP/1.1"+end)
	f("target-scheme", "", "ftp", "GET ftp://a/ HTTP/1.1"+end)
	f("target-form", "", "a:80", "GET a:80 HTTP/1.1"+end)

	f("line-end", "", "\nB", get("A: b\nB: c"))
	f("field-folded", "", " c", get("A: b", " c: d"))
	f("field-name", "", " B: c", get("A B: c"))
	f("field-name", "", "\r\n", get("A"))
	f("field-value", "A", "\x01c", get("A: b\x01c"))
	f("field-value", "X-Much-Longer", "\x7f", get("X-Much-Longer: more than eight bytes of it\x7f"))
	f("field-value", "", "\x01", get(strings.Repeat("a", 65)+": \x01"))
	f("field-count", "", "b: c", "GET / HTTP/1.1\r\n"+strings.Repeat("a: b\r\n", MaxFields)+"b: c\r\n\r\n")
	f("connection-option", "Connection", "b c", get("connection: a, b c"))
	f("connection-count", "Connection", "y", get("Connection: "+strings.Repeat("x,", MaxOptions)+"y"))

	f("host-missing", "Host", "GET", "GET / HTTP/1.1\r\n\r\n")
	f("host-count", "Host", "b\r", "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n")
	f("host", "Host", "a/b", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")
	f("host", "Host", "\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n")
	f("target-host", "", "u@a", "GET http://u@a/ HTTP/1.1"+end)

	f("content-length-count", "Content-Length", "6", get("Content-Length: 5", "content-length: 6"))
	f("content-length", "Content-Length", "+5", get("content-length:\t+5"))
	f("transfer-coding", "Transfer-Encoding", "gzip", get("Transfer-Encoding: gzip, chunked"))
	f("transfer-encoding", "Transfer-Encoding", "xchunked", get("Transfer-Encoding: xchunked"))
	f("transfer-encoding-count", "Transfer-Encoding", "b", get("Transfer-Encoding: a", "Transfer-Encoding: b"))
	f("two-framings", "Content-Length", "5", get("Content-Length: 5", "Transfer-Encoding: chunked"))
	f("transfer-encoding-version", "Transfer-Encoding", "chunked", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
	f("max-forwards", "Max-Forwards", "x", "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n")
	f("expect", "Expect", "x", get("Expect: x", "Expect: 100-continue"))
}
