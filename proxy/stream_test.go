package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each event arrives when it was sent and not when the next one is: the backend sends the next
// only after the client has the last. So does the header before the first event.
func TestEventsArriveOneByOne(t *testing.T) {
	f := func(name, head string, event func(text string) string) {
		t.Run(name, func(t *testing.T) {
			next := make(chan string)
			b := startBackend(t, func(c *conn, _ int) {
				c.readRequest()
				c.send(head)
				for text := range next {
					c.send(event(text))
				}
			})
			p := proxyTo(t, b.addr)
			c := p.dial()
			require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
			require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
			resp, err := http.ReadResponse(c.br, nil)
			require.NoError(t, err)
			for i := range 5 {
				text := fmt.Sprintf("data: %d\n\n", i)
				next <- text
				got := make([]byte, len(text))
				_, err := io.ReadFull(resp.Body, got)
				require.NoError(t, err)
				require.Equal(t, text, string(got))
			}
			close(next)
			_, err = io.ReadAll(resp.Body)
			if resp.ContentLength < 0 && resp.TransferEncoding == nil || strings.HasPrefix(name, "until") {
				assert.NoError(t, err)
			} else {
				assert.Error(t, err, "the body isn't complete")
			}
		})
	}
	const sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	plain := func(text string) string { return text }
	f("chunks", sse+"Transfer-Encoding: chunked\r\n\r\n", func(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) })
	f("sized", sse+"Content-Length: 1000\r\n\r\n", plain)
	f("until close", sse+"\r\n", plain)
	f("until close, HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", plain)
}

// The first event arrives although it came in one piece with the header, and no second one is
// there.
func TestFirstEventWithHeader(t *testing.T) {
	f := func(answer, want string) {
		t.Helper()
		release := make(chan struct{})
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(answer)
			<-release
		})
		defer close(release)
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NotEmpty(t, c.readHead())
		c.expect(want)
	}
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n", "3\r\none\r\n")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none", "3\r\none\r\n")
	f("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\none", "one")
	f("HTTP/1.1 200 OK\r\n\r\none", "3\r\none\r\n")
}

// The header of a response in chunks arrives, although it came in one piece with a chunk's line,
// and no data are there.
func TestHeaderWithHalfAChunk(t *testing.T) {
	for _, piece := range []string{"", "3", "3\r", "3\r\n", "3;x=y\r\n"} {
		release := make(chan struct{})
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + piece)
			<-release
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
		assert.NotEmpty(t, c.readHead(), "%q", piece)
		close(release)
	}
}

// A backend that breaks in mid-body has its client's connection cut, with nothing appended.
func TestBackendBreaksInMidBody(t *testing.T) {
	large := strings.Repeat("x", 100_000)
	f := func(answer string) {
		t.Helper()
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(answer)
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		a := c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		assert.Equal(t, 200, a.StatusCode)
		assert.ErrorIs(t, a.err, io.ErrUnexpectedEOF)
		assert.Empty(t, strings.Trim(a.body, "x"), "nothing was appended")
		st := p.Stats()
		assert.EqualValues(t, 1, st.Cut)
		assert.Zero(t, st.BadGateway)
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n" + large)
	f("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" + large)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n" + large + "\r\n")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n0\r\n")
}

// The backend's connection is free for others as soon as its response was read, however slow the
// client is.
func TestSlowClientsHoldNoBackend(t *testing.T) {
	const size = 300_000 // Less than the buffers on the way to the client hold.
	b, _ := answering(t, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)))
	p := startProxy(t, settings(), boundedPoolOf(t, connectionSettings(), 1, 1, b.addr), nil)
	for range 3 {
		c := p.dial()
		require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		require.NotEmpty(t, c.readHead())
		status := p.pool.balancers[0].Status
		require.Eventually(t, func() bool { return status()[0].InFlight == 0 }, patience, time.Millisecond)
	}
}

// A client that goes away in mid-body is not the backend's fault, and holds nothing.
func TestClientGoesAwayInMidBody(t *testing.T) {
	ended := make(chan bool)
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for c.send("1\r\nx\r\n") {
		}
		ended <- true
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NotEmpty(t, c.readHead())
	require.NoError(t, c.Close())
	assert.True(t, <-ended)
	require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
	assert.EqualValues(t, 1, p.Stats().Cut)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
}

// countingWriter counts what is written to it, and how much the heap holds meanwhile.
type countingWriter struct {
	n    int64
	heap uint64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	if before := w.n; before>>25 != (before+int64(len(p)))>>25 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.heap = max(w.heap, m.HeapInuse)
	}
	w.n += int64(len(p))
	return len(p), nil
}

// zeros is a body of a known size, or not, without memory of its own.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

const (
	huge = 128 << 20
	// most is what the heap of this process, its tests and all, may hold while huge bodies pass.
	most = 64 << 20
)

func TestHugeDownloads(t *testing.T) {
	for _, v := range versions {
		for _, sized := range []bool{true, false} {
			addr := serveHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
				if sized {
					w.Header().Set("Content-Length", fmt.Sprint(huge))
				}
				_, _ = io.Copy(w, &zeros{huge})
			})
			p := v.proxyTo(t, addr)
			resp, err := v.transport(t).RoundTrip(p.request("GET", "/", nil))
			require.NoError(t, err)
			var got countingWriter
			_, err = io.Copy(&got, resp.Body)
			require.NoError(t, err)
			assert.EqualValues(t, huge, got.n)
			assert.Less(t, got.heap, uint64(most))
		}
	}
}

func TestHugeUploads(t *testing.T) {
	for _, v := range versions {
		for _, size := range []int64{huge, -1} {
			var got countingWriter
			var length int64
			addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
				length = r.ContentLength
				_, err := io.Copy(&got, r.Body)
				assert.NoError(t, err)
				_, _ = io.WriteString(w, "thanks")
			})
			p := v.proxyTo(t, addr)
			req := p.request("PUT", "/", &zeros{huge})
			req.ContentLength = size
			a := p.roundTrip(v.transport(t), req)
			assert.Equal(t, "thanks", a.body)
			assert.Equal(t, size, length)
			assert.EqualValues(t, huge, got.n)
			assert.Less(t, got.heap, uint64(most))
		}
	}
}

// Both bodies of many requests at once arrive as they were sent.
func TestEchoes(t *testing.T) {
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength >= 0 {
			w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		_, _ = w.Write(body)
	})
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			p, transport := v.proxyTo(t, addr), v.transport(t)
			var seed atomic.Int64
			var running sync.WaitGroup
			for range 8 {
				running.Go(func() {
					for _, size := range []int{0, 1, 100, smallBody - 1, smallBody, smallBody + 1, 40_000, 1_000_000} {
						body := bytes.Repeat([]byte{byte(seed.Add(1)), 1, 2, 3, 4, 5, 6}, size/7+1)[:size]
						for _, chunked := range []bool{false, true} {
							var r io.Reader = bytes.NewReader(body)
							if chunked {
								r = io.MultiReader(r)
							}
							a := p.roundTrip(transport, p.request("POST", "/", r))
							assert.NoError(t, a.err)
							assert.True(t, string(body) == a.body, "%d bytes, %d came back", size, len(a.body))
						}
					}
				})
			}
			running.Wait()
		})
	}
}
