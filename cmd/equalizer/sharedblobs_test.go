package main

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// sharedFile is the configuration of one of two replicas. They take TLS, and have sticky cookies.
const sharedFile = byReload + clearAndSecure + `
[tls]
keep_sessions = true
[limits.default]
key = "ip"
[store]
shared = true
replica_name = %q
key = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
[pools.web]
strategy = "sticky"
backends = [%s]
`

// What isn't about buckets is in the database, too: with a session of TLS, or a cookie, that one
// replica began, its client may come to the other one. What an operator says of a backend at one
// counts at the other one, too.
func TestReplicasShareWhatIsNotAboutBuckets(t *testing.T) {
	t.Parallel()
	store, ca := server.Schema(t), tlstest.NewCA(t)
	var backends []string
	for range 3 {
		one, _ := polled(t)
		backends = append(backends, one)
	}
	pair := newPair(t, ca.Issue("localhost")).table()
	start := func(name string) (r reloadable, clear, secure string) {
		text := fmt.Sprintf(sharedFile, name, quoted(backends)) + pair
		r, clear, secure = launchEdge(t, text, "--store", store)
		return r, "http://" + clear, secure
	}
	a, clearA, secureA := start("a")
	b, clearB, secureB := start("b")

	client := &tls.Config{RootCAs: ca.Roots(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	assert.False(t, byTLS(t, secureA, client).DidResume)
	assert.True(t, byTLS(t, secureB, client).DidResume, "a session that the other one began")

	var moves *poller
	for range 4 {
		moves = newPoller(t, nil)
		moves.open(clearA)
		moves.polls(clearB)
		moves.polls(clearA)
	}

	backend, _, _ := strings.Cut(moves.sid, " ")
	require.Equal(t, 200, a.call("PATCH", "/backends/web/"+backend, `{"state":"drain"}`).status)
	b.await("the drain to count", func() bool {
		return strings.Contains(b.call("GET", "/backends/web/"+backend, "").body, `"state":"drain"`)
	})
	_, body := moves.do("GET", clearB)
	assert.Contains(t, body, "Session ID unknown", "it gets another backend")
}
