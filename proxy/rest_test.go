package proxy

import (
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A goroutine that has served requests keeps a stack of 4 KB or more. So a connection that waits
// for long goes on in a new one.
func TestIdleConnectionsRest(t *testing.T) {
	const connections, get = 20, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	b, _ := answering(t, ok)
	s := settings()
	s.Clients.Read = 80 * time.Millisecond // It makes the ticks short.
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	var idle []*conn
	for range connections {
		idle = append(idle, p.dial())
	}
	before := map[string]bool{}
	for range 3 {
		for _, c := range idle {
			require.Equal(t, "ok", c.do(get).body, "it serves as before")
		}
		var now map[string]bool
		require.Eventually(t, func() bool {
			now = rested()
			for id := range before {
				delete(now, id)
			}
			return len(now) == connections
		}, patience, 10*time.Millisecond)
		before = now
	}
	assert.Len(t, rested(), connections)
}

var restedGoroutine = regexp.MustCompile(`(?m)^created by gopher-equalizer/proxy/netconn\.\(\*Client\)\.serve in goroutine (\d+)`)

// rested are the goroutines that go on with another one's connection, each by the one before it.
func rested() map[string]bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	ids := map[string]bool{}
	for _, match := range restedGoroutine.FindAllSubmatch(stacks, -1) {
		ids[string(match[1])] = true
	}
	return ids
}
