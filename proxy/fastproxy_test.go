package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What went wrong in another proxy made of fasthttp, Traefik's fastProxy. Each test names the issue
// there, and none of these may come back here.

// #11442: a HEAD waited for the body that its response's Content-Length spoke of.
func TestFastProxy11442HeadWithLength(t *testing.T) {
	addr := serveHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1234567")
		w.WriteHeader(http.StatusOK)
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	for range 3 {
		a := p.roundTrip(tr, p.request("HEAD", "/", nil))
		assert.Equal(t, 200, a.StatusCode)
		assert.EqualValues(t, 1234567, a.ContentLength)
	}
	assert.EqualValues(t, 1, p.Stats().Connections)
}

// #11458 and #11498: a response that ends with the connection came out empty, or never.
func TestFastProxy11458AnswersWithoutLength(t *testing.T) {
	const page = "<html>\n</html>\n"
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page,
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + page,
		"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + page,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + chunk(page) + chunksEnd,
	} {
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(answer)
		})
		p := proxyTo(t, b.addr)
		tr := newTransport(t)
		for range 3 {
			a := p.roundTrip(tr, p.request("GET", "/", nil))
			require.NoError(t, a.err)
			assert.Equal(t, page, a.body)
		}
	}
	// No body at all, and no length: what is left is the header's end.
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send("HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")
	})
	p := proxyTo(t, b.addr)
	a := p.roundTrip(newTransport(t), p.request("GET", "/", nil))
	require.NoError(t, a.err)
	assert.Equal(t, "/there", a.Header.Get("Location"))
	assert.Empty(t, a.body)
}

// #11514 (and #11507): chunks' framing turned up within the body, as the "1b60" above people's
// pages.
func TestFastProxy11514Chunks(t *testing.T) {
	page := strings.Repeat("0123456789abcdef", 0x1b60/16)
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		for range 5 {
			_, _ = io.WriteString(w, page)
			if r.URL.Path == "/flushed" {
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	for _, path := range []string{"/flushed", "/buffered"} {
		a := p.roundTrip(tr, p.request("GET", path, nil))
		require.NoError(t, a.err)
		assert.Equal(t, []string{"chunked"}, a.TransferEncoding)
		assert.True(t, strings.Repeat(page, 5) == a.body)

		c := p.dial()
		require.True(t, c.send("GET "+path+" HTTP/1.0\r\n\r\n"))
		assert.NotContains(t, strings.ToLower(c.nextHead()), "transfer-encoding")
		assert.True(t, strings.Repeat(page, 5) == c.untilEnd())
	}
}

// #11246: servers that look for Sec-WebSocket-Key did not find Sec-Websocket-Key.
func TestFastProxy11246WebSocketNames(t *testing.T) {
	names := []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: a, b", "Sec-WebSocket-Extensions: permessage-deflate", "sec-websocket-other: 1"}
	b, got := switching(t, echo)
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send("GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+strings.Join(names, "\r\n")+"\r\n\r\n"))
	assert.Contains(t, c.nextHead(), "HTTP/1.1 101 ")
	for _, line := range names {
		assert.Contains(t, got.list()[0], "\r\n"+line+"\r\n")
	}
}

// #11301: servers were asked for a protocol of no name, by a Sec-WebSocket-Protocol that no client
// had sent.
func TestFastProxy11301EmptyWebSocketFields(t *testing.T) {
	b, got := switching(t, echo)
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send("GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"))
	answer := c.nextHead()
	assert.Contains(t, answer, "HTTP/1.1 101 ")
	assert.NotContains(t, strings.ToLower(answer), "sec-websocket", "nor does the client get what no server said")
	head := strings.ToLower(got.list()[0])
	assert.Equal(t, 2, strings.Count(head, "\r\nsec-websocket-"), head)
	assert.NotRegexp(t, "\r\nsec-websocket-[a-z]+: *\r\n", head)
}

// #11212: connections that had broken in the pool broke the requests that got them, while others
// were to be had.
func TestFastProxy11212BrokenPooledConnections(t *testing.T) {
	const n = 20
	var together sync.WaitGroup
	together.Add(n)
	closed := make(chan struct{}, n)
	b := startBackend(t, func(c *conn, nth int) {
		c.readRequest()
		if nth > n {
			for c.send(ok) && c.readRequest() != "" {
			}
			return
		}
		together.Done()
		together.Wait()
		c.send(ok)
		if nth%2 == 0 {
			c.reset()
		} else {
			c.Close()
		}
		closed <- struct{}{}
	})
	p := proxyTo(t, b.addr)
	var clients []*conn
	for range n {
		c := p.dial()
		require.True(t, c.send(post+"\r\n"))
		clients = append(clients, c)
	}
	for range n {
		await(t, closed)
	}
	for _, c := range clients {
		assert.Contains(t, []int{200, 502}, c.readAnswer("POST").StatusCode, "a reset may have taken the answer with it")
	}
	for _, c := range clients {
		assert.Equal(t, 200, c.do(post+"\r\n").StatusCode)
	}
	assert.Zero(t, p.Stats().Retries)
}

// #11258: an upload hung when all was sent, if the server answered without reading to its end.
func TestFastProxy11258UploadNotReadToItsEnd(t *testing.T) {
	const size = 4 << 20
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		// As much as there is, but never the end.
		_, err := io.ReadFull(r.Body, make([]byte, size))
		assert.NoError(t, err)
		_, _ = io.WriteString(w, "stored")
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	for range 3 {
		for _, length := range []int64{size, -1} {
			req := p.request("POST", "/", &zeros{size})
			req.ContentLength = length
			a := p.roundTrip(tr, req)
			require.NoError(t, a.err)
			assert.Equal(t, "stored", a.body)
		}
	}
}

// #11664: uploads by tus, which lives on HEAD, PATCH, 201 and 204 without bodies, and on every
// Upload-* field.
func TestFastProxy11664Tus(t *testing.T) {
	var mu sync.Mutex
	var stored strings.Builder
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Tus-Resumable", r.Header.Get("Tus-Resumable"))
		w.Header().Set("Upload-Offset", strconv.Itoa(stored.Len()))
		switch r.Method {
		case "POST":
			w.Header().Set("Location", "/files/1")
			w.WriteHeader(http.StatusCreated)
		case "HEAD":
			w.Header().Set("Upload-Length", "300000")
			w.Header().Set("Cache-Control", "no-store")
		case "PATCH":
			assert.Equal(t, "application/offset+octet-stream", r.Header.Get("Content-Type"))
			if r.Header.Get("Upload-Offset") != strconv.Itoa(stored.Len()) {
				w.WriteHeader(http.StatusConflict)
				return
			}
			_, err := io.Copy(&stored, r.Body)
			assert.NoError(t, err)
			w.Header().Set("Upload-Offset", strconv.Itoa(stored.Len()))
			w.WriteHeader(http.StatusNoContent)
		}
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	call := func(method, path string, body io.Reader, offset int) answer {
		t.Helper()
		req := p.request(method, path, body)
		req.Header.Set("Tus-Resumable", "1.0.0")
		if method == "PATCH" {
			req.Header.Set("Upload-Offset", strconv.Itoa(offset))
			req.Header.Set("Content-Type", "application/offset+octet-stream")
		}
		a := p.roundTrip(tr, req)
		require.NoError(t, a.err)
		assert.Empty(t, a.body)
		assert.Equal(t, "1.0.0", a.Header.Get("Tus-Resumable"))
		return a
	}
	file := string(noise(4, 300_000))
	created := call("POST", "/files", nil, 0)
	assert.Equal(t, 201, created.StatusCode)
	path := created.Header.Get("Location")
	for offset := 0; offset < len(file); {
		head := call("HEAD", path, nil, 0)
		assert.Equal(t, strconv.Itoa(offset), head.Header.Get("Upload-Offset"))
		assert.Equal(t, "300000", head.Header.Get("Upload-Length"))
		piece := file[offset:min(offset+70_000, len(file))]
		var body io.Reader = strings.NewReader(piece)
		if offset%20_000 == 0 {
			body = io.MultiReader(body) // Of a size that isn't announced.
		}
		patched := call("PATCH", path, body, offset)
		assert.Equal(t, 204, patched.StatusCode)
		offset += len(piece)
		assert.Equal(t, strconv.Itoa(offset), patched.Header.Get("Upload-Offset"))
	}
	assert.Equal(t, 409, call("PATCH", path, strings.NewReader("again"), 0).StatusCode)
	assert.True(t, stored.String() == file)
}

// #11434: the log of a running job stood still until there was more of it, or for good.
func TestFastProxy11434StalledLogs(t *testing.T) {
	f := func(framing string, frame func(string) string) {
		t.Helper()
		next := make(chan struct{})
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + framing + "\r\n")
			for i := range 100 {
				c.wait(next)
				c.send(frame(fmt.Sprintf("[job] line %2d\n", i)))
			}
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(plainGet))
		resp, err := http.ReadResponse(c.br, nil)
		require.NoError(t, err)
		for i := range 100 {
			proceed(t, next)
			want := fmt.Sprintf("[job] line %2d\n", i)
			line := make([]byte, len(want))
			_, err := io.ReadFull(resp.Body, line)
			require.NoError(t, err)
			require.Equal(t, want, string(line))
		}
	}
	f("Transfer-Encoding: chunked\r\n", chunk)
	f("Content-Length: 100000\r\n", func(s string) string { return s })
	f("", func(s string) string { return s })
}

// #13568: "Internal Server Error" stood at the end of bodies that the backend had not finished.
func TestFastProxy13568TextAfterCutBody(t *testing.T) {
	for _, framing := range []string{"Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 5000), "Transfer-Encoding: chunked\r\n\r\n" + chunk(strings.Repeat("x", 5000))} {
		for _, request := range []string{plainGet, get10} {
			b := startBackend(t, func(c *conn, _ int) {
				c.readRequest()
				c.send("HTTP/1.1 200 OK\r\n" + framing)
			})
			p := proxyTo(t, b.addr)
			c := p.dial()
			require.True(t, c.send(request))
			require.NotEmpty(t, c.nextHead())
			rest := c.untilEnd()
			rest = strings.TrimPrefix(rest, "1388\r\n")
			assert.Empty(t, strings.Trim(rest, "x\r\n"))
			assert.NotContains(t, rest, "0\r\n\r\n")
		}
	}
}

// #13635: a status out of range brought the proxy down, or reached clients who couldn't read it.
func TestFastProxy13635StatusOutOfRange(t *testing.T) {
	for _, status := range []string{"0", "000", "001", "42", "099", "600", "999", "1000", "-200", "+20", "2e2", "", "99999999999999999999"} {
		b, _ := answering(t, "HTTP/1.1 "+status+" Odd\r\nContent-Length: 0\r\n\r\n")
		p := proxyTo(t, b.addr)
		c := p.dial()
		p.isProblem(c.do(post+"\r\n"), 502, "backend-broken")
		p.pool.none.Store(true)
		p.isProblem(c.do(plainGet), 503, "no-backend")
		assert.Zero(t, p.Stats().Panics)
	}
}
