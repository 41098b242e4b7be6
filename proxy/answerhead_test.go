package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"pgregory.net/rapid"
)

// cleaned is the header that a client gets for what a backend answered, as a set of lines in order.
func cleaned(t require.TestingT, head string) []string {
	h := answered(t, head)
	cleanAnswer(h, &answerHead{
		scheme:    "https",
		host:      []byte("shop.example:8443"),
		backends:  []string{"10.0.0.1:8081", "backend.internal:80", "[2001:db8::1]:8080"},
		requestID: []byte("id"),
	})
	return fieldsOf(h)
}

// fieldsOf is what will be written, without the Date that fasthttp adds.
func fieldsOf(h *fasthttp.ResponseHeader) []string {
	all := strings.Split(strings.TrimSuffix(h.String(), "\r\n\r\n"), "\r\n")
	var kept []string
	for _, line := range all[1:] {
		if !strings.HasPrefix(line, "Date: ") {
			kept = append(kept, line)
		}
	}
	return kept
}

func okAnswer(fields ...string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + lines(fields...) + "\r\n"
}

func TestCleanAnswer(t *testing.T) {
	f := func(want []string, fields ...string) {
		t.Helper()
		assert.ElementsMatch(t, append(want, "Content-Length: 0", "X-Request-ID: id"), cleaned(t, okAnswer(fields...)), "%q", fields)
	}
	f(nil)
	f([]string{"x-ODD: 1", "Server: x", "Content-Type: text/plain", "Content-Encoding: br", "Set-Cookie: a=b", "Set-Cookie: c=d", "ETag: \"e\""},
		"x-ODD: 1", "server: x", "content-type: text/plain", "content-encoding: br", "set-cookie: a=b", "set-cookie: c=d", "ETag: \"e\"")
	// Hop by hop, in any case.
	f(nil, "Connection: keep-alive", "Keep-Alive: timeout=5")
	f(nil, "connection: close", "KEEP-ALIVE: x", "proxy-connection: x", "Proxy-Authenticate: Basic", "upgrade: h2c", "TE: trailers")
	f(nil, "CONNECTION: close, x-a", "X-A: 1", "x-A: 2")
	f([]string{"X-B: 2"}, "X-A: 1", "connection: X-a", "Connection: x-c,,close", "X-B: 2", "X-C: 3")
	// Connection can't name what we need.
	f(nil, "Connection: Content-Length, X-Request-ID, Transfer-Encoding")
}

func TestCleanAnswerKeepsOrder(t *testing.T) {
	got := cleaned(t, okAnswer("Keep-Alive: x", "Link: 1", "Connection: X-A", "Via: a", "Date: Sat, 01 Aug 2026 10:00:00 GMT", "link: 2", "X-A: b", "Link: 3", "Set-Cookie: a", "via: b", "Set-Cookie: b", "Link: 4"))
	assert.Equal(t, []string{"Link: 1", "link: 2", "Link: 3", "Link: 4"}, withPrefix(got, "link"))
	assert.Equal(t, []string{"Via: a", "via: b"}, withPrefix(got, "via"))
	assert.Equal(t, []string{"Set-Cookie: a", "Set-Cookie: b"}, withPrefix(got, "set-cookie"))
	assert.Len(t, got, len("LLLL")+len("VV")+len("SS")+len("CX"))
}

// fasthttp would let us delete a Date, and not add it again.
func TestCleanAnswerKeepsDates(t *testing.T) {
	h := answered(t, okAnswer("Date: Sat, 01 Aug 2026 10:00:00 GMT", "Keep-Alive: x", "Date: Sat, 01 Aug 2026 10:00:01 GMT", "Link: a"))
	cleanAnswer(h, &answerHead{})
	assert.Len(t, h.PeekAll("Date"), 2)
	assert.Empty(t, h.Peek("Keep-Alive"))
}

func withPrefix(lines []string, prefix string) (with []string) {
	for _, line := range lines {
		if strings.HasPrefix(strings.ToLower(line), prefix) {
			with = append(with, line)
		}
	}
	return with
}

// Whatever mixture of fields a backend sends: what goes is gone, and what stays keeps the order within its name.
func TestCleanAnswerProperty(t *testing.T) {
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
		got := cleaned(t, okAnswer(fields...))
		require.ElementsMatch(t, append(kept, "Content-Length: 0", "X-Request-ID: id"), got)
		for _, prefix := range []string{"link: ", "x-a: ", "x-b: "} {
			require.Equal(t, withPrefix(kept, prefix), withPrefix(got, prefix))
		}
	})
}

func TestCleanAnswerForgetsTheConnection(t *testing.T) {
	h := answered(t, "HTTP/1.0 404 Nowhere\r\nContent-Length: 0\r\n\r\n")
	require.True(t, h.ConnectionClose())
	cleanAnswer(h, &answerHead{})
	assert.False(t, h.ConnectionClose())
	assert.True(t, strings.HasPrefix(h.String(), "HTTP/1.1 404 Nowhere\r\n"), h.String())
}

func TestCleanAnswerLeavesFraming(t *testing.T) {
	h := answered(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
	cleanAnswer(h, &answerHead{})
	assert.Equal(t, -1, h.ContentLength())
	assert.ElementsMatch(t, []string{"Transfer-Encoding: chunked", "Trailer: X-Sum"}, fieldsOf(h))
}

func TestRequestIDOnAnswers(t *testing.T) {
	f := func(want string, fields ...string) {
		t.Helper()
		assert.Equal(t, []string{want}, withPrefix(cleaned(t, okAnswer(fields...)), "x-request-id"))
	}
	f("X-Request-ID: id")
	f("x-request-id: theirs", "x-request-id: theirs")
	f("X-Request-ID: ", "X-Request-ID:")
}

func TestBackendsStayHidden(t *testing.T) {
	f := func(location, want string) {
		t.Helper()
		for _, name := range []string{"Location", "location", "Content-Location", "CONTENT-LOCATION"} {
			assert.Contains(t, cleaned(t, okAnswer("A: b", name+": "+location, "Connection: close", "Keep-Alive: x")), name+": "+want)
		}
	}
	const us = "https://shop.example:8443"
	f("http://10.0.0.1:8081/a?b#c", us+"/a?b#c")
	f("http://10.0.0.1:8081", us)
	f("http://10.0.0.1:8081?a", us+"?a")
	f("HTTPS://10.0.0.1:8081/", us+"/")
	f("//10.0.0.1:8081//a", us+"//a")
	f("http://BACKEND.internal/a", us+"/a")
	f("http://backend.internal:80/a", us+"/a")
	f("http://[2001:DB8::1]:8080/", us+"/")
	f("http://user@10.0.0.1:8081/a@b", us+"/a@b")
	f("http://u:p@q@10.0.0.1:8081", us)
	// These are somebody else, or nobody.
	for _, same := range []string{
		"/a", "a/b", "?a", "#a", "", "http://10.0.0.1/", "http://10.0.0.1:80810/", "http://10.0.0.1:808/", "http://backend.internal:8080/",
		"https://shop.example:8443/a", "http://example.com/?u=http://10.0.0.1:8081/", "ftp://10.0.0.1:8081/", "http:///a", "http://", "//", "http:10.0.0.1:8081",
		"http://user@example.com/", "http://10.0.0.1:8081@example.com/", "/http://user@10.0.0.1:8081/",
	} {
		f(same, same)
	}
}

func TestBackendsStayHiddenWithoutAHost(t *testing.T) {
	f := func(location, want string) {
		t.Helper()
		h := answered(t, okAnswer("Location: "+location))
		cleanAnswer(h, &answerHead{scheme: "http", backends: []string{"10.0.0.1:80"}})
		assert.Equal(t, want, string(h.Peek("Location")))
	}
	f("http://10.0.0.1/a", "/a")
	f("http://10.0.0.1", "/")
	f("http://10.0.0.1?a", "/?a")
	f("http://10.0.0.1#a", "/#a")
}

func TestCleanAnswerDoesNotAllocate(t *testing.T) {
	a := answerHead{scheme: "http", host: []byte("example.com"), backends: []string{"10.0.0.1:80"}, requestID: []byte("id")}
	var h fasthttp.ResponseHeader
	f := func(head string) {
		t.Helper()
		from := answered(t, head)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			from.CopyTo(&h)
			cleanAnswer(&h, &a)
		}))
	}
	f(nginx)
	f(okAnswer("Location: http://10.0.0.1/a", "Connection: X-A", "X-A: b"))
}

// FuzzCleanAnswer: no bytes from a backend bring a hop-by-hop field or a backend's authority to the client.
func FuzzCleanAnswer(f *testing.F) {
	f.Add("Location: http://10.0.0.1:8081/\r\nConnection: X-A\r\nX-A: b\r\n")
	f.Add("location://10.0.0.1:8081\r\nLink: a\r\nKeep-Alive: x\r\nlink: b\r\n")
	f.Fuzz(func(t *testing.T, fields string) {
		var h fasthttp.ResponseHeader
		h.DisableNormalizing()
		if err := readAnswer(&h, "HTTP/1.1 200 OK\r\n"+fields+"\r\n"); err != nil {
			return
		}
		cleanAnswer(&h, &answerHead{scheme: "http", host: []byte("h"), backends: []string{"10.0.0.1:8081"}})
		for name, value := range h.All() {
			require.False(t, isHop(name), "%q", name)
			if is(name, "location") && len(h.PeekAll(string(name))) == 1 {
				require.False(t, strings.HasPrefix(string(value), "http://10.0.0.1:8081"), "%q", value)
			}
		}
	})
}
