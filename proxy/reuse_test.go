package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// usedAgain reports whether the backend's connection serves on after request was answered with
// answer.
func usedAgain(t *testing.T, request, answer string) bool {
	t.Helper()
	b := startBackend(t, func(c *conn, nth int) {
		head := c.readHead()
		if nth > 1 {
			c.send(ok)
			return
		}
		if strings.HasPrefix(head, "POST /early ") {
			c.send(answer)
			c.untilEnd()
			return
		}
		if _, complete := c.readBody(head); !complete {
			return
		}
		c.send(answer)
		if c.readRequest() != "" {
			c.send(ok)
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	method, _, _ := strings.Cut(request, " ")
	require.True(t, c.send(request))
	c.finalAnswer(method)
	require.Eventually(t, func() bool { return p.pool.balancers[0].Status()[0].InFlight == 0 }, patience, time.Millisecond)
	// Another client's: the first one's connection is not what is asked about.
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
	return b.conns.Load() == 1
}

// A connection is used again only if the next bytes on it can be nothing but the next response.
func TestSafeReuse(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	const headOnly = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
	yes := func(request, answer string) {
		t.Helper()
		assert.True(t, usedAgain(t, request, answer), "%q", answer)
	}
	yes(plainGet, ok)
	yes(plainGet, head+"Content-Length: 0\r\n\r\n")
	yes(plainGet, head+"Connection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
	yes(plainGet, fmt.Sprintf(head+"Content-Length: %d\r\n\r\n%s", 1<<20, strings.Repeat("x", 1<<20)))
	yes(plainGet, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk("ok")+chunksEnd)
	yes(plainGet, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk("ok")+"0\r\nX-Sum: 2\r\n\r\n")
	yes(plainGet, hints+ok)
	yes(plainGet, "HTTP/1.1 204 No Content\r\n\r\n")
	yes(plainGet, "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n")
	yes(plainGet, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
	yes(headOnly, head+"Content-Length: 10\r\n\r\n")
	yes(headOnly, head+"Transfer-Encoding: chunked\r\n\r\n")
	yes(headOnly, head+"\r\n")
	yes(sized(4)+"body", ok)
	yes(chunked+chunk("body")+chunksEnd, ok)
	yes(get10, ok)
	yes("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ok)

	no := func(request, answer string) {
		t.Helper()
		assert.False(t, usedAgain(t, request, answer), "%q", answer)
	}
	no(plainGet, head+"Connection: close\r\nContent-Length: 2\r\n\r\nok")
	no(plainGet, head+"connection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok")
	no(plainGet, head+"Connection: keep-alive\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
	no(plainGet, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
	no(plainGet, "HTTP/1.0 204 No Content\r\n\r\n")
	no(headOnly, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n")
	// Something was left over.
	no(plainGet, ok+"\r\n")
	no(plainGet, ok+ok)
	no(plainGet, ok+"H")
	no(plainGet, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk("ok")+chunksEnd+"\r\n")
	no(plainGet, "HTTP/1.1 204 No Content\r\n\r\n"+ok)
	no(plainGet, "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok")
	no(headOnly, ok)
	no(headOnly, head+"Transfer-Encoding: chunked\r\n\r\n"+chunksEnd)
	// The request was not sent to its end.
	early := func(rest string) string { return "POST /early HTTP/1.1\r\nHost: x\r\n" + rest }
	no(early(fmt.Sprintf("Content-Length: %d\r\n\r\nbody", smallBody+1)), ok)
	no(early("Transfer-Encoding: chunked\r\n\r\n"+chunk("body")), ok)
	no(early("Transfer-Encoding: chunked\r\n\r\n"+chunk("body")+"0\r\n"), ok)
	no(early("Content-Length: 4\r\n"+expecting), ok)
}

// A response that its client didn't take is not left to the next one.
func TestNoReuseAfterClientGone(t *testing.T) {
	const secret = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
	asked, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	b := startBackend(t, func(c *conn, nth int) {
		c.readRequest()
		if nth == 1 {
			asked <- struct{}{}
			c.untilEnd()
			ended <- struct{}{}
			c.send(secret)
			return
		}
		c.send(ok)
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(plainGet))
	await(t, asked)
	c.reset()
	await(t, ended)
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
	assert.EqualValues(t, 2, b.conns.Load())
}

// Whatever its backends do wrong, nobody gets a response that isn't theirs, or half of one for a
// whole.
func TestNobodyGetsAnothersAnswer(t *testing.T) {
	const clients, turns = 8, 100
	b := startBackend(t, func(c *conn, nth int) {
		rng := rand.New(rand.NewPCG(1, uint64(nth)))
		for head := c.readHead(); head != ""; head = c.readHead() {
			body, complete := c.readBody(head)
			if !complete || !misbehave(c, rng, strings.Fields(head)[1]+body) {
				return
			}
		}
	})
	p := proxyTo(t, b.addr)
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			var c *conn
			rng := rand.New(rand.NewPCG(2, uint64(i)))
			for n := range turns {
				if c == nil {
					c = p.dial()
				}
				id := fmt.Sprintf("/%d-%d", i, n)
				request := "GET " + id + " HTTP/1.1\r\nHost: x\r\n\r\n"
				switch rng.IntN(3) {
				case 0:
					request = "PUT " + id + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
					id += "body"
				case 1:
					request = "POST " + id + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("body") + chunksEnd
					id += "body"
				}
				assert.True(t, c.send(request))
				a := c.finalAnswer(strings.Fields(request)[0])
				assert.Contains(t, []int{200, 502}, a.StatusCode)
				if a.StatusCode == 200 && a.err == nil {
					assert.Equal(t, id, a.body)
				}
				if a.err != nil || a.Close {
					c = nil
				}
			}
		})
	}
	running.Wait()
	assert.Zero(t, p.Stats().Panics)
}

// misbehave answers with id, in one of many right and wrong ways, and reports whether it could go
// on.
func misbehave(c *conn, rng *rand.Rand, id string) bool {
	sized := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
	coded := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(id)
	const stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
	switch rng.IntN(12) {
	case 0:
		return c.send("HTTP/1.1 100 Continue\r\n\r\n" + hints + sized)
	case 1:
		return c.send(coded + chunksEnd)
	case 2:
		return c.send(coded + "0\r\nX-Sum: 1\r\n\r\n")
	case 3:
		c.send(sized[:len(sized)-1])
		return false
	case 4:
		c.send(coded)
		return false
	case 5:
		c.send(sized)
		c.reset()
		return false
	case 6:
		return c.send(sized + stray)
	case 7:
		return c.send(coded + chunksEnd + stray)
	case 8:
		c.send("HTTP/1.1 200 OK\r\n\r\n" + id)
		return false
	case 9:
		return c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nstray" + stray)
	case 10:
		return c.send(switches + stray)
	}
	return c.send(sized)
}
