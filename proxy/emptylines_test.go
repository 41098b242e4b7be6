package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Empty lines are no request, so that a connection on which nothing else comes is idle.
func TestEmptyLinesDontKeepConnections(t *testing.T) {
	const idle = 300 * time.Millisecond
	b, _ := answering(t, ok)
	for name, first := range map[string]string{"after a request": "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "from the start": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := settings()
			s.Clients.Idle, s.Clients.Header = idle, idle
			p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
			c := p.dial()
			if first != "" {
				assert.Equal(t, "ok", c.do(first).body)
			}
			begin, line := time.Now(), time.NewTicker(idle/10)
			defer line.Stop()
			for c.send("\r\n") {
				<-line.C
			}
			assert.GreaterOrEqual(t, time.Since(begin), idle/2)
			require.Less(t, time.Since(begin), patience)
			assert.EqualValues(t, strings.Count(first, "GET"), p.Stats().Total, "none of them is a request")
		})
	}
}
