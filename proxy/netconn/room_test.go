package netconn

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crowd makes that many connections of clients, which is the bound.
func crowd(t *testing.T, n int) (*Clients, []*Client) {
	t.Helper()
	all := NewClients(ClientLimits{Connections: n, Header: time.Minute, Idle: time.Hour})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	clients := make([]*Client, n)
	for i := range clients {
		ours, _ := connect(t, ln)
		clients[i] = all.Add(ours, nil)
		clients[i].connected = time.Now().Add(-time.Minute)
		t.Cleanup(func() { clients[i].Close() })
	}
	return all, clients
}

// entering calls AwaitRoom, and returns once it waits or has returned.
func entering(t *testing.T, all *Clients, stop chan struct{}) (entered chan struct{}) {
	t.Helper()
	entered = make(chan struct{})
	go func() {
		all.AwaitRoom(stop)
		close(entered)
	}()
	require.Eventually(t, func() bool {
		select {
		case <-entered:
			return true
		default:
		}
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.freed != nil
	}, patience, time.Millisecond)
	return entered
}

func isOpen(done chan struct{}) bool {
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// AwaitRoom waits until a connection closes. Meanwhile connections should end with their request.
func TestAwaitRoom(t *testing.T) {
	all, clients := crowd(t, 3)
	for _, c := range clients {
		c.Admitted()
	}
	assert.False(t, all.HasRoom())
	entered := entering(t, all, nil)
	assert.True(t, isOpen(entered))
	assert.True(t, all.Crowded())
	clients[1].Close()
	<-entered
	assert.True(t, all.HasRoom())
	assert.True(t, all.Crowded(), "others may be waiting")
	<-entering(t, all, nil)
	assert.False(t, all.Crowded())
	assert.EqualValues(t, 1, all.Waits())

	all, _ = crowd(t, 0)
	<-entering(t, all, nil)
}

func TestAwaitRoomStops(t *testing.T) {
	all, clients := crowd(t, 1)
	clients[0].Admitted()
	stop := make(chan struct{})
	entered := entering(t, all, stop)
	assert.True(t, isOpen(entered))
	close(stop)
	<-entered
}

// waiting has a connection wait for a request, and sends how that ended.
func (c *Client) waiting(stage int32) (ended chan error) {
	ended = make(chan error, 1)
	c.stage.Store(stage)
	c.wait.served = stage == kept
	go func() {
		_, err := comes(c, make([]byte, 10))
		ended <- err
		c.Close()
	}()
	return ended
}

// The connection that has waited longest makes room. A request that is on its way isn't disturbed.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	all, clients := crowd(t, 4)
	clients[0].Admitted()
	clients[1].stage.Store(asking)
	older, newer := clients[2].waiting(fresh), clients[3].waiting(kept)
	require.Eventually(t, func() bool { return clients[2].reading.due.Load() != 0 && clients[3].reading.due.Load() != 0 }, patience, time.Millisecond)
	clients[3].reading.due.Add(int64(time.Second)) // By an hour and a second later than clients[2].
	<-entering(t, all, nil)
	assert.Equal(t, io.EOF, <-older)
	assert.Empty(t, newer)
	assert.Equal(t, asking, clients[1].stage.Load())
}

// A connection that begins to wait for a request while somebody waits for room makes room.
func TestConnectionThatGoesIdleMakesRoom(t *testing.T) {
	all, clients := crowd(t, 1)
	clients[0].Admitted()
	entered := entering(t, all, nil)
	assert.True(t, isOpen(entered))
	require.True(t, clients[0].Next())
	clients[0].Idle()
	_, err := comes(clients[0], make([]byte, 10))
	assert.Equal(t, io.EOF, err)
	clients[0].Close()
	<-entered

	all, clients = crowd(t, 1)
	clients[0].Begin()
	entered = entering(t, all, nil)
	clients[0].ignore()
	_, err = comes(clients[0], make([]byte, 10))
	assert.Equal(t, io.EOF, err, "and so does one that sent no request")
	clients[0].Close()
	<-entered
}

// A connection that was told to leave stays if a request was on its way.
func TestRequestOfOneThatIsToLeave(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{})
	c.wait.served = true
	c.stage.Store(leaving)
	send(t, theirs, "1")
	s := &script{lent: make([]byte, 10), client: c}
	s.steps = []func() Verdict{
		func() Verdict { require.True(t, c.Next()); return Wait },
		stop,
	}
	go func() { time.Sleep(2 * nextRequestGrace); send(t, theirs, "22") }() // It must not end with the grace.
	require.Equal(t, Attend, awaits(c, s))
	assert.Equal(t, []int{1, 2}, s.came)
}

// Of many connections that wait, a share is closed at once.
func TestEvictedShare(t *testing.T) {
	for idle, want := range map[int]int{0: 0, 1: 1, 2: 1, 63: 1, 64: 2, 6400: 101} {
		assert.Equal(t, want, evicted(idle), idle)
	}
	all, clients := crowd(t, 130)
	for i, c := range clients {
		c.stage.Store(kept)
		c.reading.due.Store(int64(time.Hour) + int64((i*37)%130+1))
	}
	freed, idle := all.enter(true)
	require.NotNil(t, freed)
	all.evict(idle)
	var left []int64
	for _, c := range clients {
		if c.stage.Load() == leaving {
			left = append(left, c.reading.due.Load()-int64(time.Hour))
		}
	}
	slices.Sort(left)
	assert.Equal(t, []int64{1, 2, 3}, left)
}
