package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pattern is a text without two parts that are alike.
func pattern(size int) string {
	var text strings.Builder
	for i := 0; text.Len() < size; i++ {
		fmt.Fprintf(&text, "%d ", i)
	}
	return text.String()[:size]
}

func largeAnswer(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// Whichever way a body takes, all of it arrives, and the connections on both sides go on.
func TestLargeAnswers(t *testing.T) {
	for _, size := range []int{spliceFrom - 1, spliceFrom, spliceFrom + 16<<10, 1 << 20, 5_000_001} {
		body := pattern(size)
		b, _ := answering(t, largeAnswer(body))
		p := proxyTo(t, b.addr)
		c := p.dial()
		for range 3 {
			for _, request := range []string{plainGet, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"} {
				a := c.do(request)
				require.NoError(t, a.err)
				require.True(t, a.body == body, "%d bytes", size)
			}
		}
		assert.EqualValues(t, 1, b.conns.Load())
	}
}

// What comes behind a large response belongs to no request.
func TestLargeAnswerWithMoreBehindIt(t *testing.T) {
	body := pattern(1 << 20)
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send(largeAnswer(body) + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		assert.Empty(c.t, c.readHead(), "no other request comes on this connection")
	})
	c := proxyTo(t, b.addr).dial()
	for range 3 {
		a := c.do(plainGet)
		require.NoError(t, a.err)
		require.True(t, a.body == body)
	}
	assert.EqualValues(t, 3, b.conns.Load())
}

// A large response that breaks off breaks the client's connection.
func TestLargeAnswerBreaksOff(t *testing.T) {
	body := pattern(1 << 20)
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send(strings.TrimSuffix(largeAnswer(body), body[1000:]))
	})
	c := proxyTo(t, b.addr).dial()
	a := c.do(plainGet)
	require.Error(t, a.err)
	assert.True(t, strings.HasPrefix(body, a.body))
	c.expectEnd()
}
