package netconn

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gatherer is a Handler that keeps what comes. Before it waits for more, it calls before.
type gatherer struct {
	client *Client
	buf    [64]byte
	got    []byte
	want   int
	before func()
}

func (g *gatherer) Lend() []byte { return g.buf[:] }
func (g *gatherer) GiveBack()    {}

func (g *gatherer) Arrived(n int) Verdict {
	g.got = append(g.got, g.buf[:n]...)
	if len(g.got) == g.want {
		return End
	}
	if g.before != nil {
		g.before()
	}
	g.client.Idle()
	return Wait
}

func (g *gatherer) Attend() Verdict { return End }

// heldConn keeps what is written to it until it is let go.
type heldConn struct {
	net.Conn
	holds bool
	held  bytes.Buffer
}

func (h *heldConn) Write(p []byte) (int, error) {
	if h.holds {
		return h.held.Write(p)
	}
	return h.Conn.Write(p)
}

// However records come, whole or in pieces, alone or together, nothing waits in TLS for what comes
// later.
func TestNothingStaysInTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		for range 50 {
			testNothingStaysInTLS(t, of)
		}
	})
}

func testNothingStaysInTLS(t *testing.T, of kind) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	held := &heldConn{}
	c, theirs := of.clientByTLSOver(t, ClientLimits{}, func(conn net.Conn) net.Conn { held.Conn = conn; return held })
	held.holds = true
	var sent []byte
	for range 1 + random.IntN(24) {
		record := bytes.Repeat([]byte{byte(random.IntN(256))}, 1+random.IntN(150))
		_, err := theirs.Write(record)
		require.NoError(t, err)
		sent = append(sent, record...)
	}
	g := &gatherer{client: c, want: len(sent)}
	looks := rand.New(rand.NewPCG(seed, 1))
	g.before = func() {
		if looks.IntN(2) == 0 {
			c.HasMore()
		}
	}
	done := make(chan struct{})
	go func() { assert.NoError(t, c.Open()); c.Serve(g); close(done) }()
	pieces := 1 << (8 + random.IntN(5)) // up to 4 KiB, which is what is read at once
	for held.held.Len() > 0 {
		_, err := held.Conn.Write(held.held.Next(1 + random.IntN(pieces)))
		require.NoError(t, err)
	}
	<-done
	assert.Equal(t, sent, g.got, "seed %d", seed)
}

// What is found while a request is served is the next request's.
func TestMoreIsFoundWithinAWait(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{})
		g := &gatherer{client: c, want: len("firstsecond")}
		g.before = func() {
			g.before = nil
			send(t, theirs, "second")
			require.Eventually(t, c.HasMore, patience, time.Millisecond)
		}
		done := make(chan struct{})
		go func() { assert.NoError(t, c.Open()); c.Serve(g); close(done) }()
		send(t, theirs, "first")
		<-done
		assert.Equal(t, "firstsecond", string(g.got))
	})
}
