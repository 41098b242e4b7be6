package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A response may begin, without a 100, while the client that said it would await one sends the body
// nevertheless. Nobody knows yet whether it sends all of it, so the connection ends with the
// response.
func TestAnswerBeginsWhileTheBodyIsSent(t *testing.T) {
	const size = 1 << 20
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		_, _ = c.br.ReadByte()
		c.send("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
		for range size - 1 {
			_, _ = c.br.ReadByte()
		}
		c.send("3\r\nend\r\n0\r\n\r\n")
	})
	p := proxyTo(t, b.addr)
	for range 20 {
		c := p.dial()
		sent := make(chan bool)
		go func() {
			sent <- c.send(strings.Replace(sized(size), "\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", 1) + strings.Repeat("x", size))
		}()
		a := c.readAnswer("POST")
		require.NoError(t, a.err)
		assert.Equal(t, "earlyend", a.body)
		assert.True(t, <-sent)
	}
}
