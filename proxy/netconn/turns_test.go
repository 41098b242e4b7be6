package netconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Turns come in order, as many as there are, and none is lost when the number changes or a wait
// ends.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		require.NoError(t, all.take(time.Second, nil), "there is no bound")
		all.bound(2)
		require.NoError(t, all.take(time.Second, nil))
		var order []int
		var mu sync.Mutex
		var waiting sync.WaitGroup
		for i := range 3 {
			waiting.Go(func() {
				assert.NoError(t, all.take(0, nil))
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			})
			synctest.Wait()
			if i == 0 {
				waiting.Go(func() { assert.Equal(t, errCrowded, all.take(time.Second, nil)) })
				synctest.Wait()
			}
		}
		began := time.Now()
		assert.Equal(t, errCrowded, all.take(time.Minute, nil))
		assert.Equal(t, time.Minute, time.Since(began))
		assert.Empty(t, order)
		all.giveBack()
		synctest.Wait()
		assert.Equal(t, []int{0}, order)
		all.bound(1)
		all.giveBack()
		synctest.Wait()
		assert.Equal(t, []int{0}, order, "one that was held is none any more")
		all.giveBack()
		synctest.Wait()
		assert.Equal(t, []int{0, 1}, order)
		all.bound(0)
		waiting.Wait()
		assert.Equal(t, []int{0, 1, 2}, order)
		all.giveBack()
		all.giveBack()
		assert.Zero(t, all.taken)
		assert.Zero(t, all.waiting.Len())
	})
}

// However turns are taken, given back, bounded and given up, no more are held than there are.
func TestTurnsAtOnce(t *testing.T) {
	var all turns
	const most = 3
	all.bound(most)
	var held, tops atomic.Int64
	var users sync.WaitGroup
	for i := range 16 {
		users.Go(func() {
			for j := range 200 {
				limit := time.Duration(0)
				if (i+j)%3 == 0 {
					limit = time.Microsecond
				}
				if all.take(limit, nil) != nil {
					continue
				}
				if n := held.Add(1); n > most {
					tops.Add(1)
				}
				held.Add(-1)
				all.giveBack()
			}
		})
	}
	users.Wait()
	assert.Zero(t, tops.Load())
	assert.Zero(t, all.taken)
	assert.Zero(t, all.waiting.Len())
}

// A client that is silent in its handshake keeps others of its address waiting, and nobody else. It
// ends when its time is over, and so do those that wait.
func TestHandshakesOfOneAddress(t *testing.T) {
	server, client := configs(t)
	synctest.Test(t, func(t *testing.T) {
		all := NewClients(ClientLimits{Header: time.Minute, Handshakes: 1, ClientHandshakes: 2})
		serve := func(peer string) (theirs net.Conn, s *spoken, done chan struct{}) {
			ours, theirs := net.Pipe()
			c := all.Add(ours, server)
			c.peer = netip.MustParseAddr(peer)
			s, done = &spoken{client: c}, make(chan struct{})
			go func() { s.serve(); close(done) }()
			synctest.Wait()
			return theirs, s, done
		}
		var silent []net.Conn
		for _, peer := range []string{"2001:db8::1", "2001:db8::2"} {
			theirs, _, _ := serve(peer)
			silent = append(silent, theirs)
		}
		other, _, done := serve("2001:db8:0:1::1")
		secure := tls.Client(other, client)
		require.NoError(t, secure.Handshake())
		send(t, secure, "e")
		expect(t, secure, "e")
		go func() { _, _ = secure.Read(make([]byte, 1)) }() // the alert
		<-done

		third, _, thirdDone := serve("2001:db8::3")
		shaken := make(chan error, 1)
		secure = tls.Client(third, client)
		go func() { shaken <- secure.Handshake() }()
		synctest.Wait()
		require.Empty(t, shaken)
		require.NoError(t, silent[0].Close())
		require.NoError(t, <-shaken, "its turn has come")
		send(t, secure, "e")
		expect(t, secure, "e")
		go func() { _, _ = secure.Read(make([]byte, 1)) }()
		<-thirdDone

		_, _, fourthDone := serve("2001:db8::4")
		fifth, s, fifthDone := serve("2001:db8::5")
		began := time.Now()
		<-fourthDone
		<-fifthDone
		assert.Error(t, s.unopened, "it had no turn, or no time left in it")
		assert.InDelta(t, time.Minute, time.Since(began), float64(time.Second))
		require.NoError(t, fifth.Close())
		require.NoError(t, all.Wait(t.Context()))
		assert.Empty(t, all.shakes.of)
		assert.Zero(t, all.shakes.computing.taken)
	})
}

// A handshake that waits for something else than its client keeps nobody from computing, and goes
// on in its turn.
func TestHandshakeOutOfTurn(t *testing.T) {
	server, client := configs(t)
	synctest.Test(t, func(t *testing.T) {
		all := NewClients(ClientLimits{Header: time.Minute, Handshakes: 1})
		arrives := make(chan struct{})
		waiting := server.Clone()
		waiting.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, hello.Conn.(*carrier).OutOfTurn(func() { <-arrives })
		}
		shake := func(config *tls.Config) (net.Conn, chan error) {
			ours, theirs := net.Pipe()
			c := all.Add(ours, config)
			go (&spoken{client: c}).serve()
			secure, shaken := tls.Client(theirs, client), make(chan error, 1)
			go func() { shaken <- secure.Handshake() }()
			synctest.Wait()
			return secure, shaken
		}
		first, firstShaken := shake(waiting)
		second, secondShaken := shake(server)
		require.NoError(t, <-secondShaken, "the turn was free")
		require.Empty(t, firstShaken)
		close(arrives)
		require.NoError(t, <-firstShaken)
		for _, secure := range []net.Conn{first, second} {
			send(t, secure, "e")
			expect(t, secure, "e")
			go func() { _, _ = secure.Read(make([]byte, 1)) }() // the alert
		}
		require.NoError(t, all.Wait(t.Context()))
		assert.Zero(t, all.shakes.computing.taken)
	})
}

// A handshake that fails for a known reason fails with that.
func TestHandshakeFails(t *testing.T) {
	server, client := configs(t)
	all := NewClients(ClientLimits{})
	reason := errors.New("no certificate is for it")
	failing := server.Clone()
	failing.Certificates = nil
	failing.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		hello.Conn.(*carrier).Fails(reason)
		return nil, nil
	}
	ours, theirs := pair(t)
	c := all.Add(ours, failing)
	s := &spoken{client: c}
	go s.serve()
	require.ErrorContains(t, tls.Client(theirs, client).Handshake(), "unrecognized name")
	require.NoError(t, theirs.Close())
	require.NoError(t, all.Wait(t.Context()))
	assert.Equal(t, reason, s.unopened)
}

// Many handshakes at once all come to their end, one after the other.
func TestHandshakesAtOnce(t *testing.T) {
	server, client := configs(t)
	all := NewClients(ClientLimits{Header: time.Minute, Handshakes: 1, ClientHandshakes: 3})
	var clients sync.WaitGroup
	for range 30 {
		ours, theirs := pair(t)
		c := all.Add(ours, server)
		go (&spoken{client: c}).serve()
		clients.Go(func() {
			secure := tls.Client(theirs, client)
			if assert.NoError(t, secure.Handshake()) {
				send(t, secure, "e")
				expect(t, secure, "e")
			}
		})
	}
	clients.Wait()
	require.NoError(t, all.Wait(t.Context()))
	assert.Empty(t, all.shakes.of)
	assert.Zero(t, all.shakes.computing.taken)
}

// Where one address has filled all places with silent handshakes, those of it that wait for their
// turn make room at once. Who has waited longer at another address stays.
func TestHandshakesThatWaitMakeRoom(t *testing.T) {
	server, _ := configs(t)
	synctest.Test(t, func(t *testing.T) {
		const most = 8
		all := NewClients(ClientLimits{Connections: most, Header: time.Minute, Handshakes: 1, ClientHandshakes: 2})
		serve := func(peer string) (theirs net.Conn, s *spoken, done chan struct{}) {
			ours, theirs := net.Pipe()
			c := all.Add(ours, server)
			c.peer = netip.MustParseAddr(peer)
			s, done = &spoken{client: c}, make(chan struct{})
			go func() { s.serve(); close(done) }()
			synctest.Wait()
			return theirs, s, done
		}
		other, _, otherDone := serve("192.0.2.1")
		time.Sleep(time.Second)
		var flood []*spoken
		for range most - 1 {
			_, s, _ := serve("192.0.2.2")
			flood = append(flood, s)
		}
		began := time.Now()
		for i := range 5 { // As many as wait for their turn.
			all.AwaitRoom(nil)
			assert.Less(t, all.Len(), most)
			serve(fmt.Sprintf("192.0.2.%d", 3+i))
		}
		assert.Zero(t, time.Since(began), "nobody had to wait for a timeout")
		for i, s := range flood {
			if i < 2 {
				assert.NoError(t, s.unopened, "its handshake has begun")
			} else {
				assert.Equal(t, ErrTimeout, s.unopened, i)
			}
		}
		assert.True(t, isOpen(otherDone))
		require.NoError(t, other.Close())
		all.Cut()
		require.NoError(t, all.Wait(t.Context()))
		assert.Empty(t, all.shakes.of)
		assert.Zero(t, all.shakes.computing.taken)
	})
}

// A wait for a turn ends with an eviction, also one that comes before it begins.
func TestEvictedWhileWaiting(t *testing.T) {
	var all turns
	all.bound(1)
	require.NoError(t, all.take(0, nil))
	evicted := make(chan struct{})
	close(evicted)
	assert.Equal(t, ErrTimeout, all.take(0, evicted))
	assert.Zero(t, all.queue())

	server, _ := configs(t)
	ours, _ := pair(t)
	c := NewClients(ClientLimits{}).Add(ours, server)
	c.stage.Store(leaving)
	assert.Equal(t, ErrTimeout, c.Open())
	require.NoError(t, c.Close())
}
