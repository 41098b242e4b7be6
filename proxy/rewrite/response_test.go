package rewrite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
)

// cleaned returns the lines of the header that a client gets for a backend's head, in order.
func cleaned(t require.TestingT, head string) []string {
	return fieldsOf(Response{
		Received:  http1test.Response(t, head),
		Scheme:    "https",
		Host:      []byte("shop.example:8443"),
		Hidden:    []string{"10.0.0.1:8081", "backend.internal:80", "[2001:db8::1]:8080"},
		RequestID: []byte("id"),
	})
}

// fieldsOf returns the lines of the head that is made, without the Date.
func fieldsOf(r Response) []string {
	all := strings.Split(strings.TrimSuffix(string(r.AppendHead(nil)), "\r\n"), "\r\n")
	var kept []string
	for _, line := range all[1:] {
		if !strings.HasPrefix(line, "Date: ") {
			kept = append(kept, line)
		}
	}
	return kept
}

func okResponse(fields ...string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + http1test.Lines(fields...) + "\r\n"
}

func TestResponseHead(t *testing.T) {
	f := func(want []string, fields ...string) {
		t.Helper()
		assert.Equal(t, append(append([]string{"Content-Length: 0"}, want...), "X-Request-ID: id"), cleaned(t, okResponse(fields...)), "%q", fields)
	}
	f(nil)
	f([]string{"x-ODD: 1", "server: x", "content-type: text/plain", "content-encoding: br", "set-cookie: a=b", "set-cookie: c=d", "ETag: \"e\""},
		"x-ODD: 1", "server: x", "content-type: text/plain", "content-encoding: br", "set-cookie: a=b", "set-cookie: c=d", "ETag: \"e\"")
	// Hop by hop, in any case.
	f(nil, "Connection: keep-alive", "Keep-Alive: timeout=5")
	f(nil, "connection: close", "KEEP-ALIVE: x", "proxy-connection: x", "Proxy-Authenticate: Basic", "upgrade: h2c", "TE: trailers")
	f(nil, "CONNECTION: close, x-a", "X-A: 1", "x-A: 2")
	f([]string{"X-B: 2"}, "X-A: 1", "connection: X-a", "Connection: x-c,,close", "X-B: 2", "X-C: 3")
	// Connection can't name what we need.
	f(nil, "Connection: Content-Length, X-Request-ID, Transfer-Encoding")
}

// What a 426 wants its client to upgrade to goes on, and ours says that it is for our connection.
func TestUpgradeOfA426(t *testing.T) {
	f := func(want []string, fields ...string) {
		t.Helper()
		head := "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n" + http1test.Lines(fields...) + "\r\n"
		assert.Equal(t, append([]string{"Content-Length: 0", "X-Request-ID: id"}, want...), cleaned(t, head), "%q", fields)
	}
	f(nil)
	f(nil, "Connection: Upgrade, close")
	f([]string{"Connection: Upgrade", "Upgrade: HTTP/3.0, IRC/6.9"}, "upgrade: HTTP/3.0, IRC/6.9", "Connection: close")
	f([]string{"Connection: Upgrade", "Upgrade: a", "Upgrade: b"}, "Upgrade: a", "Connection: upgrade", "UPGRADE:\tb ")
}

func TestResponseHeadKeepsOrder(t *testing.T) {
	got := cleaned(t, okResponse("Keep-Alive: x", "Link: 1", "Connection: X-A", "Via: a", "Date: Sat, 01 Aug 2026 10:00:00 GMT", "link: 2", "X-A: b", "Link: 3", "Set-Cookie: a", "via: b", "Set-Cookie: b", "Link: 4"))
	assert.Equal(t, []string{"Link: 1", "link: 2", "Link: 3", "Link: 4"}, withPrefix(got, "link"))
	assert.Equal(t, []string{"Via: a", "via: b"}, withPrefix(got, "via"))
	assert.Equal(t, []string{"Set-Cookie: a", "Set-Cookie: b"}, withPrefix(got, "set-cookie"))
	assert.Len(t, got, len("LLLL")+len("VV")+len("SS")+len("CX"))
}

func TestResponsesHaveADate(t *testing.T) {
	const date = "Date: Sat, 01 Aug 2026 10:00:00 GMT\r\n"
	r := Response{Received: http1test.Response(t, okResponse(strings.TrimSpace(date)))}
	assert.Equal(t, 1, strings.Count(string(r.AppendHead(nil)), "Date: "))
	assert.Contains(t, string(r.AppendHead(nil)), date)
	r.Received = http1test.Response(t, okResponse())
	assert.Regexp(t, `\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n`, string(r.AppendHead(nil)))
}

func withPrefix(lines []string, prefix string) (with []string) {
	for _, line := range lines {
		if strings.HasPrefix(strings.ToLower(line), prefix) {
			with = append(with, line)
		}
	}
	return with
}

// From any mixture of fields, those that concern the connection are left out, and all others keep
// their order.
func TestResponseHeadProperty(t *testing.T) {
	name := rapid.SampledFrom([]string{"Link", "link", "Via", "Vary", "Connection", "connection", "Keep-Alive", "Upgrade", "X-A", "x-a", "X-B", "Cache-Control"})
	value := rapid.SampledFrom([]string{"1", "2", "3", "X-A", "close", "keep-alive, x-b", ""})
	rapid.Check(t, func(t *rapid.T) {
		var fields, kept []string
		named := map[string]bool{"connection": true, "keep-alive": true, "upgrade": true}
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			n, v := name.Draw(t, "name"), value.Draw(t, "value")
			fields = append(fields, n+": "+v)
			if strings.EqualFold(n, "connection") {
				for option := range strings.SplitSeq(v, ", ") {
					named[strings.ToLower(option)] = true
				}
			}
		}
		for _, f := range fields {
			if n, _, _ := strings.Cut(strings.ToLower(f), ":"); !named[n] {
				kept = append(kept, f)
			}
		}
		got := cleaned(t, okResponse(fields...))
		require.Equal(t, append(append([]string{"Content-Length: 0"}, kept...), "X-Request-ID: id"), got)
	})
}

func TestStatusLines(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		r := Response{Received: http1test.Response(t, line+"\r\nContent-Length: 0\r\n\r\n")}
		got := r.AppendHead(nil)
		assert.True(t, strings.HasPrefix(string(got), want+"\r\n"), "%s", got)
	}
	f("HTTP/1.0 404 Nowhere", "HTTP/1.1 404 Nowhere")
	f("HTTP/1.1 299 A  b\tc\xe9", "HTTP/1.1 299 A  b\tc\xe9")
	f("HTTP/1.1 500 ", "HTTP/1.1 500 ")
	f("HTTP/1.1 500", "HTTP/1.1 500 ")
}

func TestFramingOfResponses(t *testing.T) {
	f := func(want []string, chunked bool, head string) {
		t.Helper()
		assert.Equal(t, want, fieldsOf(Response{Received: http1test.Response(t, head), Chunked: chunked}))
	}
	f([]string{"Trailer: X-Sum", "Transfer-Encoding: chunked"}, true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
	f([]string{"Trailer: X-Sum"}, false, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
	f([]string{"content-length:5"}, false, "HTTP/1.1 304 Not Modified\r\ncontent-length:5\r\n\r\n")
	f(nil, false, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
	f([]string{"Link: a"}, false, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
}

func TestRequestIDOnResponses(t *testing.T) {
	f := func(want string, fields ...string) {
		t.Helper()
		assert.Equal(t, []string{want}, withPrefix(cleaned(t, okResponse(fields...)), "x-request-id"))
	}
	f("X-Request-ID: id")
	f("x-request-id: theirs", "x-request-id: theirs")
	f("X-Request-ID:", "X-Request-ID:")
}

func TestResponseHeadDoesNotAllocate(t *testing.T) {
	r := Response{Scheme: "http", Host: []byte("example.com"), Hidden: []string{"10.0.0.1:80"}, RequestID: []byte("id")}
	var dst []byte
	f := func(head string) {
		t.Helper()
		r.Received = http1test.Response(t, head)
		assert.Zero(t, testing.AllocsPerRun(100, func() { dst = r.AppendHead(dst[:0]) }))
	}
	f(http1test.Nginx)
	f(okResponse("Location: http://10.0.0.1/a", "Connection: X-A", "X-A: b"))
}

// FuzzResponseHead checks that no bytes from a backend bring a hop-by-hop field or a backend's
// authority to the client.
func FuzzResponseHead(f *testing.F) {
	f.Add("Location: http://10.0.0.1:8081/\r\nConnection: X-A\r\nX-A: b\r\n")
	f.Add("location://10.0.0.1:8081\r\nLink: a\r\nKeep-Alive: x\r\nlink: b\r\n")
	f.Fuzz(func(t *testing.T, fields string) {
		var from, to http1.Response
		head := []byte("HTTP/1.1 200 OK\r\n" + fields + "\r\n")
		if http1.HeadEnd(head, 0) != len(head) || from.Parse(head) != nil {
			return
		}
		r := Response{Received: &from, Scheme: "http", Host: []byte("h"), Hidden: []string{"10.0.0.1:8081"}}
		out := r.AppendHead(nil)
		require.Nil(t, to.Parse(append(out, "\r\n"...)))
		for _, f := range to.Fields {
			require.NotEqual(t, responseHop, responseKindOf(f.Name), "%q", f.Line)
			if http1.Is(f.Name, "location") {
				require.False(t, strings.HasPrefix(string(f.Value), "http://10.0.0.1:8081"), "%q", f.Line)
			}
		}
	})
}
