package proxy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echoed is the size of a body that the backend gets piece by piece. A smaller one it gets whole.
const echoed = smallBody + 80

// echoing is a backend that answers with the body, piece by piece while it comes.
func echoing(t *testing.T) *backend {
	t.Helper()
	return startBackend(t, func(c *conn, _ int) {
		for head := c.readHead(); head != ""; head = c.readHead() {
			if length := fmt.Sprintf("Content-Length: %d\r\n", echoed); strings.Contains(head, length) {
				c.send("HTTP/1.1 200 OK\r\n" + length + "\r\n")
				if _, err := io.CopyN(c.Conn, c.br, echoed); err != nil {
					return
				}
				continue
			}
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for text, ok := c.readChunk(); text != ""; text, ok = c.readChunk() {
				if !ok || !c.send(chunk(text)) {
					return
				}
			}
			if line, _ := c.br.ReadString('\n'); line != "\r\n" || !c.send(chunksEnd) {
				return
			}
		}
	})
}

// The client sends a piece only when it has the response to the last one, and the first only when
// it has the header.
func TestFullDuplex(t *testing.T) {
	b := echoing(t)
	p := proxyTo(t, b.addr)
	c := p.dial()
	f := func(head, end string, frame func(string) string) {
		t.Helper()
		require.True(t, c.send(head))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
		resp, err := http.ReadResponse(c.br, nil)
		require.NoError(t, err)
		pieces := []string{strings.Repeat("x", smallBody)}
		for i := range 10 {
			pieces = append(pieces, fmt.Sprintf("piece %d\n", i))
		}
		for _, piece := range pieces {
			require.True(t, c.send(frame(piece)))
			got := make([]byte, len(piece))
			_, err := io.ReadFull(resp.Body, got)
			require.NoError(t, err)
			require.Equal(t, piece, string(got))
		}
		require.True(t, c.send(end))
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Empty(t, rest)
		assert.False(t, resp.Close)
	}
	for range 3 {
		f(chunked, chunksEnd, chunk)
		f(sized(echoed), "", func(s string) string { return s })
	}
	assert.EqualValues(t, 1, b.conns.Load(), "both connections serve on")
}

// net/http on both sides.
func TestFullDuplexEndToEnd(t *testing.T) {
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		assert.NoError(t, control.EnableFullDuplex())
		assert.NoError(t, control.Flush())
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			_, _ = w.Write(buf[:n])
			assert.NoError(t, control.Flush())
			if err != nil {
				assert.Equal(t, io.EOF, err)
				return
			}
		}
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 2 {
		body, pieces := io.Pipe()
		resp, err := tr.RoundTrip(p.request("POST", "/", body).WithContext(ctx))
		require.NoError(t, err)
		for i := range 10 {
			piece := fmt.Sprintf("piece %d\n", i)
			_, err := io.WriteString(pieces, piece)
			require.NoError(t, err)
			got := make([]byte, len(piece))
			_, err = io.ReadFull(resp.Body, got)
			require.NoError(t, err)
			require.Equal(t, piece, string(got))
		}
		require.NoError(t, pieces.Close())
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Empty(t, rest)
	}
}

// Neither body waits for the other, whatever their sizes: each of four ends is busy with one
// direction only.
func TestBodiesPassEachOther(t *testing.T) {
	const size = 2 << 20
	up, down := noise(1, size), noise(2, size)
	f := func(framing, answer string, frame func([]byte) string, read func(c *conn) string) {
		t.Helper()
		got := make(chan [sha256.Size]byte, 1)
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			var sending sync.WaitGroup
			sending.Go(func() { c.send(answer + frame(down)) })
			got <- sha256.Sum256([]byte(read(c)))
			sending.Wait()
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		var sending sync.WaitGroup
		sending.Go(func() { c.send(post + framing + frame(up)) })
		require.NoError(t, c.SetReadDeadline(time.Now().Add(3*patience)))
		assert.Contains(t, c.readHead(), "HTTP/1.1 200 OK\r\n")
		assert.True(t, read(c) == string(down))
		sending.Wait()
		assert.Equal(t, sha256.Sum256(up), await(t, got))
	}
	length := fmt.Sprintf("Content-Length: %d\r\n\r\n", size)
	f(length, "HTTP/1.1 200 OK\r\n"+length,
		func(b []byte) string { return string(b) },
		func(c *conn) string {
			data := make([]byte, size)
			_, err := io.ReadFull(c.br, data)
			assert.NoError(t, err)
			return string(data)
		})
	const coded = "Transfer-Encoding: chunked\r\n\r\n"
	f(coded, "HTTP/1.1 200 OK\r\n"+coded,
		func(b []byte) string {
			var all strings.Builder
			for piece := range slices.Chunk(b, 100_000) {
				all.WriteString(chunk(string(piece)))
			}
			return all.String() + chunksEnd
		},
		func(c *conn) string {
			body, _, ok := c.readChunked()
			assert.True(t, ok)
			return body
		})
}

// noise is reproducible and not compressible.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// A response that is complete before the request ends the exchange. The client gets all of it,
// whatever it still sends.
func TestFinalAnswerEndsTheUpload(t *testing.T) {
	large := string(noise(3, 1<<20))
	framed := map[string]string{
		"sized":       fmt.Sprintf("HTTP/1.1 413 Content Too Large\r\nContent-Length: %d\r\n\r\n%s", len(large), large),
		"chunked":     "HTTP/1.1 413 Content Too Large\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(large) + chunksEnd,
		"until close": "HTTP/1.1 413 Content Too Large\r\n\r\n" + large,
	}
	f := func(name, head, more string) {
		t.Helper()
		rest := make(chan struct{}, 1)
		b := startBackend(t, func(c *conn, nth int) {
			if nth > 1 {
				c.readRequest()
				c.send(ok)
				return
			}
			c.readHead()
			c.send(framed[name])
			if name == "until close" {
				c.closeWrite()
			}
			c.untilEnd()
			rest <- struct{}{}
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(head))
		var sending sync.WaitGroup
		sending.Go(func() {
			for more != "" && c.send(more) {
			}
		})
		a := c.readAnswer("POST")
		assert.Equal(t, 413, a.StatusCode)
		require.NoError(t, a.err, name)
		assert.True(t, a.body == large)
		await(t, rest)
		if more == "" {
			c.expectEnd()
		}
		c.untilEnd()
		sending.Wait() // The connection is closed to what the client sends, or it would go on.
		assert.Equal(t, "ok", p.dial().do(plainGet).body)
		assert.EqualValues(t, 2, b.conns.Load())
		assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		assert.EqualValues(t, 1, p.Stats().Responses.ClientError)
	}
	for name := range framed {
		f(name, sized(1<<30), "")
		f(name, chunked, "")
		f(name, chunked+chunk("x")+"5\r\nab", "")
		f(name, sized(1<<30), strings.Repeat("x", 1<<16))
		f(name, chunked, chunk(strings.Repeat("x", 1<<16)))
	}
}

// A response that begins early and goes on after the request's end is like any other.
func TestAnswerOutlastsTheUpload(t *testing.T) {
	large := strings.Repeat("x", smallBody+1)
	begun := make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		for head := c.readHead(); head != ""; head = c.readHead() {
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("early"))
			body, _ := c.readBody(head)
			c.wait(begun)
			c.send(chunk(body[:4]) + chunksEnd)
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	for range 2 {
		for head, body := range map[string]string{sized(len(large)): large, chunked: chunk(large) + chunksEnd} {
			require.True(t, c.send(head))
			require.NotEmpty(t, c.nextHead())
			c.expect(chunk("early"))
			require.True(t, c.send(body))
			proceed(t, begun)
			c.expect(chunk("xxxx") + chunksEnd)
		}
	}
	assert.EqualValues(t, 1, b.conns.Load())
}

// A backend that breaks while both bodies run breaks the client's connection.
func TestBackendBreaksInDuplex(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("early"))
		if text, _ := c.readChunk(); text == "stop" {
			c.reset()
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(chunked))
	require.NotEmpty(t, c.nextHead())
	c.expect(chunk("early"))
	require.True(t, c.send(chunk("stop")))
	assert.Empty(t, c.untilEnd(), "no last chunk, nothing else")
	assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
}
