package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the tests of relays and of reuse have in common.

const (
	plainGet  = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	chunksEnd = "0\r\n\r\n"
)

// chunk frames text.
func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

// await is what comes from ch, soon.
func await[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
	}
	return v
}

// proceed has who waits on ch go on.
func proceed(t testing.TB, ch chan<- struct{}) {
	t.Helper()
	select {
	case ch <- struct{}{}:
	case <-time.After(patience):
		require.FailNow(t, "nobody waits")
	}
}

// wait waits until something comes from ch, or the test is over.
func (c *conn) wait(ch <-chan struct{}) {
	select {
	case <-ch:
	case <-c.t.Context().Done():
	}
}

// serveHTTP has a real HTTP server handle requests until the test ends.
func serveHTTP(t testing.TB, handle http.HandlerFunc) (addr string) {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// newTransport is a real HTTP client's, with connections of its own.
func newTransport(t testing.TB) *http.Transport {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// roundTrip sends a request to the proxy, of p.request, and reads all of the response.
func (p *proxied) roundTrip(tr *http.Transport, req *http.Request) answer {
	p.t.Helper()
	resp, err := tr.RoundTrip(req)
	require.NoError(p.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, resp.Body.Close())
	return answer{resp, string(body), err}
}

// request is one to the proxy. A body without a size is sent in chunks.
func (p *proxied) request(method, path string, body io.Reader) *http.Request {
	p.t.Helper()
	return httpRequest(p.t, method, p.addr, path, body)
}

func httpRequest(t testing.TB, method, addr, path string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+addr+path, body)
	require.NoError(t, err)
	return req
}

// nextHead reads a head, raw, which must come soon.
func (c *conn) nextHead() string {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
	head := c.readHead()
	require.NotEmpty(c.t, head, "the connection ended")
	return head
}

// finalAnswer reads the response behind any interim ones.
func (c *conn) finalAnswer(method string) answer {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
	for {
		begin, err := c.br.Peek(len("HTTP/1.1 1"))
		require.NoError(c.t, err)
		if string(begin) != "HTTP/1.1 1" {
			return c.readAnswer(method)
		}
		c.nextHead()
	}
}

// readChunk reads one chunk of a body; "" at the last one, whose trailers it leaves unread.
func (c *conn) readChunk() (text string, ok bool) {
	line, err := c.br.ReadString('\n')
	if err != nil {
		return "", false
	}
	size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
	n, err := strconv.ParseUint(size, 16, 31)
	if err != nil || n == 0 {
		return "", err == nil
	}
	data := make([]byte, n+2)
	_, err = io.ReadFull(c.br, data)
	return string(data[:n]), err == nil
}

// readChunked reads a chunked body, and its trailers, raw.
func (c *conn) readChunked() (body, trailers string, ok bool) {
	var all strings.Builder
	for {
		text, ok := c.readChunk()
		if !ok {
			return "", "", false
		}
		if text == "" {
			break
		}
		all.WriteString(text)
	}
	var lines strings.Builder
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return "", "", false
		}
		if line == "\r\n" {
			return all.String(), lines.String(), true
		}
		lines.WriteString(line)
	}
}

// readBody reads the body that a request's head announces, without its framing.
func (c *conn) readBody(head string) (body string, ok bool) {
	if strings.Contains(strings.ToLower(head), "transfer-encoding:") {
		body, _, ok = c.readChunked()
		return body, ok
	}
	_, value, _ := strings.Cut(strings.ToLower(head), "content-length: ")
	value, _, _ = strings.Cut(value, "\r\n")
	n, _ := strconv.Atoi(value)
	data := make([]byte, n)
	_, err := io.ReadFull(c.br, data)
	return string(data), err == nil
}

// untilEnd reads on until the connection ends, however it does.
func (c *conn) untilEnd() (rest string) {
	all, _ := io.ReadAll(c.br)
	return string(all)
}

// closeWrite ends what c sends; it can still read.
func (c *conn) closeWrite() {
	c.t.Helper()
	require.NoError(c.t, c.Conn.(*net.TCPConn).CloseWrite())
}

// reset ends the connection as a crash does.
func (c *conn) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Conn.Close()
}

// requestIDLine is what we add to responses.
var requestIDLine = regexp.MustCompile(`(?i)\r\nx-request-id: [^\r]*`)

func withoutRequestID(head string) string { return requestIDLine.ReplaceAllString(head, "") }
