package netconn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	errNoPreface = errors.New("no preface")
	named        = netip.MustParseAddr("192.0.2.7")
)

// sized is a preface that begins with P and its size, and names a client.
func sized(came []byte) (netip.Addr, int, error) {
	const begin = 2
	switch {
	case len(came) > 0 && came[0] != 'P':
		return netip.Addr{}, 0, errNoPreface
	case len(came) < begin:
		return netip.Addr{}, begin - len(came), nil
	}
	return named, int(came[1]) - len(came), nil
}

func aPreface(size int) string {
	b := make([]byte, size)
	b[0], b[1] = 'P', byte(size)
	return string(b)
}

// introduced serves a client that has to begin with a preface.
func (of kind) introduced(t *testing.T, limits ClientLimits) (*spoken, *net.TCPConn, <-chan struct{}) {
	t.Helper()
	c, theirs := of.client(t, limits)
	c.Expect(sized)
	s := &spoken{client: c}
	done := make(chan struct{})
	go func() { s.serve(); close(done) }()
	return s, theirs, done
}

// What follows a preface is served, also if it came in the same packet or the preface byte by byte.
func TestPreface(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		for _, size := range []int{2, 3, 100, 255} {
			s, theirs, done := of.introduced(t, ClientLimits{Header: patience})
			send(t, theirs, aPreface(size)+"w")
			expect(t, theirs, "w")
			send(t, theirs, "e")
			<-done
			assert.Equal(t, named, s.client.Peer())
			assert.Equal(t, []string{"arrived w", "arrived e"}, s.calls)
		}
		s, theirs, done := of.introduced(t, ClientLimits{Header: patience})
		for _, b := range aPreface(40) {
			send(t, theirs, string(b))
			require.Eventually(t, func() bool { return !hasUnsent(theirs) }, patience, time.Millisecond)
		}
		send(t, theirs, "e")
		<-done
		assert.Equal(t, []string{"arrived e"}, s.calls)
	})
}

// A preface that names nobody leaves the peer.
func TestPrefaceWithoutSource(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{})
	c.Expect(func(came []byte) (netip.Addr, int, error) { return netip.Addr{}, 1 - len(came), nil })
	send(t, theirs, "P")
	require.NoError(t, c.Open())
	assert.Equal(t, netip.MustParseAddr("127.0.0.1"), c.Peer())
}

// The connection ends, and nothing is served, if something else comes, nothing comes in time, or
// the client leaves.
func TestNoPreface(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, theirs, done := of.introduced(t, ClientLimits{Header: patience})
		send(t, theirs, "w")
		<-done
		_, err := theirs.Read(make([]byte, 1))
		require.Error(t, err)
		assert.Empty(t, s.calls)
		assert.Zero(t, s.client.all.Len())

		s, theirs, done = of.introduced(t, ClientLimits{Header: patience})
		send(t, theirs, aPreface(40)[:20])
		require.NoError(t, theirs.CloseWrite())
		<-done
		assert.Empty(t, s.calls)

		takes(t, brief, func() {
			_, theirs, done = of.introduced(t, ClientLimits{Header: brief})
			send(t, theirs, aPreface(40)[:20])
			<-done
		})
	})
}

// The error tells what came from a connection that broke.
func TestPrefaceErrors(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{})
	c.Expect(sized)
	send(t, theirs, "w")
	var refused *PrefaceError
	require.ErrorAs(t, c.Open(), &refused)
	require.ErrorIs(t, refused, errNoPreface)

	_, c, theirs = client(t, ClientLimits{})
	c.Expect(sized)
	require.NoError(t, theirs.CloseWrite())
	require.ErrorIs(t, c.Open(), io.EOF)
}

// A stop doesn't wait for a preface.
func TestStopDuringPreface(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		s, theirs, done := of.introduced(t, ClientLimits{})
		send(t, theirs, "P")
		require.Eventually(t, func() bool { return s.client.reading.due.Load() != 0 }, patience, time.Millisecond)
		require.NoError(t, s.client.all.Close(t.Context(), 0))
		<-done
		_, err := theirs.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
	})
}

// TLS begins right behind a preface.
func TestPrefaceBeforeTLS(t *testing.T) {
	server, config := configs(t)
	onBothKinds(t, func(t *testing.T, of kind) {
		ours, theirs := pair(t)
		c := NewClients(ClientLimits{Header: patience}).Add(ours, server)
		t.Cleanup(func() { c.Close() })
		of.take(t, &c.Conn)
		c.Expect(sized)
		done := make(chan struct{})
		go func() { (&spoken{client: c}).serve(); close(done) }()
		secure := tls.Client(&behind{theirs, []byte(aPreface(30))}, config)
		require.NoError(t, secure.Handshake())
		send(t, secure, "e")
		expect(t, secure, "e")
		<-done
		assert.Equal(t, named, c.Peer())
	})
}

// behind is a connection whose first Write has a preface in front.
type behind struct {
	*net.TCPConn
	preface []byte
}

func (b *behind) Write(p []byte) (int, error) {
	n := len(b.preface)
	sent, err := b.TCPConn.Write(append(b.preface, p...))
	b.preface = nil
	return max(0, sent-n), err
}
