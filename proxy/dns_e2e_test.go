//go:build e2e

package proxy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// longerThanALookup is how long the addresses of a name may be served from memory, and some more.
const longerThanALookup = 25 * time.Second

// A name's addresses change, and requests follow; then the DNS server goes away for longer than
// what it said is remembered, which takes no healthy backend out; and what changed meanwhile is
// found after that.
func TestNameOutlivesItsServer(t *testing.T) {
	dns := startDNS(t, "127.0.0.1")
	p, pool, _ := behindName(t, dns, "127.0.0.1", "127.0.0.2")
	only := func(host string) func() bool {
		return func() bool { pool.Probe(t.Context()); return p.answers()[host] == 6 }
	}
	require.True(t, only("127.0.0.1")())
	dns.set(false, "127.0.0.2")
	require.Eventually(t, only("127.0.0.2"), longerThanALookup, time.Second)

	dns.set(true, "127.0.0.2")
	asked := dns.queries()
	require.Eventually(t, func() bool {
		assert.True(t, only("127.0.0.2")())
		assert.True(t, pool.Status()[0].Healthy)
		return dns.queries() > asked+1
	}, 2*longerThanALookup, time.Second)

	dns.set(false, "127.0.0.1")
	require.Eventually(t, only("127.0.0.1"), longerThanALookup, time.Second)
	assert.Zero(t, p.Stats().BadGateway)
	lines := p.log.lines()
	require.Len(t, lines, 2, "an outage is told once, and its end")
	assert.Contains(t, lines[0], `"level":"warn","host":"app.test"`)
	assert.Contains(t, lines[1], `"level":"info","host":"app.test"`)
}
