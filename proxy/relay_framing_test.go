package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A header reaches the client line by line as it came, in spelling, order and repetition, except
// what concerns the backend's connection.
func TestAnswerHeadersStayAsTheyCame(t *testing.T) {
	f := func(request string, sent, want []string) {
		t.Helper()
		end := ""
		if request == plainGet {
			end = "body"
		}
		b, _ := answering(t, strings.Join(sent, "\r\n")+"\r\n\r\n"+end)
		p := proxyTo(t, b.addr)
		c := p.dial()
		for range 2 {
			require.True(t, c.send(request))
			head := c.nextHead()
			assert.Regexp(t, requestIDLine, head)
			assert.Equal(t, strings.Join(want, "\r\n")+"\r\n\r\n", withoutRequestID(head))
			c.expect(end)
		}
		assert.EqualValues(t, 1, b.conns.Load())
	}
	status := "HTTP/1.1 200 Very  Fine"
	kept := []string{status, "x-b: 1", "SERVER: us", "content-length: 4", "X-a:  2 ", "Set-Cookie: a", "X-B: 3", "set-cookie: b", "Via: a", "DATE: never", "x-Empty:", "Content-Type: x/y", "Via: b", "Date: ever"}
	f(plainGet, kept, kept)
	dropped := []string{status, "connection: X-a, keep-alive", "x-b: 1", "Keep-Alive: timeout=5", "content-length: 4", "X-a: 2", "Proxy-Connection: x", "X-B: 3", "Upgrade: h2c", "Proxy-Authenticate: Basic", "Date: never"}
	f(plainGet, dropped, []string{status, "x-b: 1", "content-length: 4", "X-B: 3", "Date: never"})
	same := func(method string, head ...string) {
		t.Helper()
		head = append(head, "Date: never")
		f(method+" / HTTP/1.1\r\nHost: x\r\n\r\n", head, head)
	}
	same("HEAD", "HTTP/1.1 200 OK", "A: b", "content-LENGTH: 1234")
	same("HEAD", "HTTP/1.1 200 OK", "A: b")
	same("HEAD", "HTTP/1.1 404 No", "Content-Length: 0")
	same("PUT", "HTTP/1.1 304 Not Modified", "Content-Length: 1234", "ETag: x")
	same("PUT", "HTTP/1.1 204 No Content", "ETag: x")
	same("PUT", "HTTP/1.1 205 Reset", "Content-Length: 0")
	same("PUT", "HTTP/1.1 599 ", "Content-Length: 0")
}

// Each byte of a response's body arrives before the backend sends the next one, and the header
// before the first.
func TestAnswersArriveByteByByte(t *testing.T) {
	f := func(request, framing string, frame func(string) string, got func(string) string) {
		t.Helper()
		next := make(chan struct{})
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			c.send("HTTP/1.1 200 OK\r\n" + framing + "\r\n")
			for _, letter := range strings.Split("abcde", "") {
				c.wait(next)
				c.send(frame(letter))
			}
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(request))
		require.NotEmpty(t, c.nextHead())
		for _, letter := range strings.Split("abcde", "") {
			proceed(t, next)
			c.expect(got(letter))
		}
	}
	plain := func(s string) string { return s }
	f(plainGet, "Content-Length: 5\r\n", plain, plain)
	f(plainGet, "Transfer-Encoding: chunked\r\n", chunk, chunk)
	f(plainGet, "", plain, chunk)
	f(get10, "Content-Length: 5\r\n", plain, plain)
	f(get10, "Transfer-Encoding: chunked\r\n", chunk, plain)
	f(get10, "", plain, plain)
}

// An HTTP/1.0 client knows no chunks; it may keep its connection where the length is known.
func TestAnswersForHTTP10(t *testing.T) {
	const keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	f := func(answer string, kept bool) {
		t.Helper()
		b := startBackend(t, func(c *conn, _ int) {
			for c.readHead() != "" && c.send(answer) && kept {
			}
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		for range 2 {
			a := c.do(keep)
			require.NoError(t, a.err)
			assert.Equal(t, "ok", a.body)
			assert.Empty(t, a.TransferEncoding)
			assert.Empty(t, a.Header["Transfer-Encoding"])
			if !kept {
				assert.NotEqual(t, "keep-alive", strings.ToLower(a.Header.Get("Connection")))
				c.expectEnd()
				return
			}
			assert.Equal(t, "keep-alive", strings.ToLower(a.Header.Get("Connection")))
		}
	}
	f(ok, true)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("ok")+chunksEnd, false)
	f("HTTP/1.1 200 OK\r\n\r\nok", false)
	f("HTTP/1.0 200 OK\r\n\r\nok", false)
}

// framed is a response for the property below.
type framed struct {
	head, body, wire string
	closes           bool
}

// anAnswer frames some bytes in one of the ways there are.
func anAnswer(t *rapid.T) framed {
	body := strings.Repeat("abc", rapid.IntRange(0, 5000).Draw(t, "size"))
	switch rapid.IntRange(0, 2).Draw(t, "framing") {
	case 0:
		return framed{fmt.Sprintf("Content-Length: %d\r\n", len(body)), body, body, false}
	case 1:
		return framed{"", body, body, true}
	}
	var wire strings.Builder
	for rest := body; rest != ""; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
		extension := rapid.SampledFrom([]string{"", ";x", ";x=y"}).Draw(t, "extension")
		fmt.Fprintf(&wire, "%x%s\r\n%s\r\n", n, extension, rest[:n])
		rest = rest[n:]
	}
	return framed{"Transfer-Encoding: chunked\r\n", body, wire.String() + chunksEnd, false}
}

// However a response is framed, and whatever pieces it comes in, every client gets the same body,
// and so does the next.
func TestAnswersWholeHoweverTheyCome(t *testing.T) {
	type turn struct {
		framed
		cuts []int
	}
	turns := make(chan turn, 1)
	b := startBackend(t, func(c *conn, _ int) {
		for head := c.readHead(); head != ""; head = c.readHead() {
			next := <-turns
			wire := "HTTP/1.1 200 OK\r\n" + next.head + "\r\n"
			if !strings.HasPrefix(head, "HEAD ") {
				wire += next.wire
			}
			for _, cut := range next.cuts {
				cut = min(cut, len(wire))
				c.send(wire[:cut])
				wire = wire[cut:]
			}
			c.send(wire)
			if next.closes && !strings.HasPrefix(head, "HEAD ") {
				return
			}
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	rapid.Check(t, func(t *rapid.T) {
		a := anAnswer(t)
		turns <- turn{a, rapid.SliceOfN(rapid.IntRange(1, 3000), 0, 8).Draw(t, "cuts")}
		method := rapid.SampledFrom([]string{"GET", "HEAD", "PUT"}).Draw(t, "method")
		version := rapid.SampledFrom([]string{"1.1", "1.1", "1.0"}).Draw(t, "version")
		got := c.do(method + " / HTTP/" + version + "\r\nHost: x\r\n\r\n")
		require.NoError(t, got.err)
		require.Equal(t, 200, got.StatusCode)
		if method == "HEAD" {
			require.Empty(t, got.body)
		} else {
			require.True(t, a.body == got.body, "%d bytes of %d", len(got.body), len(a.body))
		}
		if got.Close {
			require.Equal(t, "1.0", version)
			c.expectEnd()
			c = p.dial()
		}
	})
}

// net/http's client complains of responses that don't end where they say.
func TestBodilessAnswersEndToEnd(t *testing.T) {
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
		case "/sized":
			w.Header().Set("Content-Length", "6")
			_, _ = w.Write([]byte("answer"))
		default:
			_, _ = w.Write([]byte("answer"))
			_ = http.NewResponseController(w).Flush()
		}
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	tr.MaxConnsPerHost = 1
	for range 3 {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			for _, path := range []string{"/204", "/304", "/sized", "/chunked"} {
				a := p.roundTrip(tr, p.request(method, path, nil))
				require.NoError(t, a.err)
				if path == "/sized" {
					assert.EqualValues(t, 6, a.ContentLength)
				}
				if method != "HEAD" && len(path) > len("/204") {
					assert.Equal(t, "answer", a.body)
				} else {
					assert.Empty(t, a.body)
				}
			}
		}
	}
	assert.EqualValues(t, 1, p.Stats().Connections, "none was thrown away")
}
