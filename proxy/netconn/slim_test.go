package netconn

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// buffers are those of a tls.Conn for what comes in.
func (s *secure) buffers() (all []*bytes.Buffer) {
	for _, offset := range tlsBuffers {
		all = append(all, (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(s.Conn), offset)))
	}
	return all
}

// This version of Go has both buffers. With one that doesn't, connections only take more memory,
// which is a reason to look where it has them.
func TestTLSBuffersAreFound(t *testing.T) {
	assert.Len(t, tlsBuffers, 2)
	assert.Empty(t, offsetsOf[bytes.Buffer](reflect.TypeFor[tls.Conn](), "vers", "none"))
}

// What is in a buffer stays.
func TestSlimLeavesWhatIsThere(t *testing.T) {
	s := secureClient(nil, &tls.Config{})
	for _, b := range s.buffers() {
		b.WriteString("x")
		s.slim()
		assert.Equal(t, "x", b.String())
		b.Reset()
		s.slim()
		assert.Zero(t, b.Cap())
	}
}

// A connection holds no buffers of a handshake once that is done, nor those of an upload in a long
// wait.
func TestSlimByTLS(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{Header: patience, Idle: patience, Read: patience})
		s := c.layer.(*secure)
		for _, b := range s.buffers() {
			assert.Zero(t, b.Cap())
		}
		upload := strings.Repeat("x", 64<<10)
		go func() { _, _ = theirs.Write([]byte(upload)) }()
		got := 0
		for got < len(upload) {
			n, err := c.Read(make([]byte, 32<<10))
			require.NoError(t, err)
			got += n
		}
		assert.GreaterOrEqual(t, s.buffers()[0].Cap(), 16<<10)
		c.wait.handler, c.wait.verdict, c.wait.arrived = &spoken{client: c}, rest, c.arrivedInWait
		c.stage.Store(kept)
		c.Idle()
		c.serve()
		for _, message := range []string{"w", "e"} {
			send(t, theirs, message)
			expect(t, theirs, message)
		}
		require.Eventually(t, func() bool { return c.all.Len() == 0 }, patience, time.Millisecond)
		assert.Less(t, s.buffers()[0].Cap(), 4<<10)
	})
}

// A connection that waits on after its buffers were given up takes none, whatever wakes it: TLS has
// nothing that it could be asked for.
func TestWaitTakesNoBuffers(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		c, theirs := of.clientByTLS(t, ClientLimits{Header: patience, Idle: patience})
		s, lender := c.layer.(*secure), &first{lent: make([]byte, 8)}
		send(t, theirs, "first")
		require.Equal(t, Attend, awaits(c, lender))
		require.Equal(t, 5, lender.n)
		require.True(t, c.Next())
		c.Idle()
		require.Equal(t, rest, awaits(c, lender))
		s.slim()
		c.wait.handler = lender
		for range 2 {
			c.wakeRead()
			require.Equal(t, Wait, c.await())
		}
		for _, b := range s.buffers() {
			assert.Zero(t, b.Cap())
		}
		send(t, theirs, "second")
		require.Equal(t, Attend, awaits(c, lender))
		assert.Equal(t, 6, lender.n)
	})
}
