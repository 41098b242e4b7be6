package netconn

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What has begun keeps the limits that it began with, whether it is a wait or a request. What
// begins later has the new ones.
func TestLimitsHoldForWhatBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long, short = time.Hour, 2 * time.Second
		all := NewClients(ClientLimits{Header: long, Idle: long, Read: long})
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := all.Add(ours, nil)
		defer c.Close()
		readsFor := func(what string, want time.Duration) {
			t.Helper()
			began := time.Now()
			err := errWoken // As a long wait is, to rest.
			for err == errWoken {
				_, err = c.Read(make([]byte, 1))
			}
			require.Equal(t, ErrTimeout, err, what)
			assert.GreaterOrEqual(t, time.Since(began), want, what)
			assert.LessOrEqual(t, time.Since(began), want*5/4+maxTick, what)
		}
		request := func() {
			c.Begin()
			c.Body(false)
		}
		request()
		all.Use(ClientLimits{Header: short, Idle: short, Read: short})
		readsFor("a request that had begun", long)
		c.Idle()
		readsFor("a wait that begins", short)
		request()
		readsFor("a request that begins", short)
		c.Idle()
		require.NotZero(t, c.waitDue())
		all.Use(ClientLimits{Header: long, Idle: long, Read: long})
		readsFor("a wait that had begun", short)
		request()
		readsFor("another request", long)
	})
}

// The least rate, and how long a client may take nothing, change with the next request too.
func TestRateHoldsForWhatBegins(t *testing.T) {
	all, c, _ := client(t, ClientLimits{Write: patience})
	c.Begin()
	all.Use(ClientLimits{Write: brief, MinRate: 1 << 20, RateGrace: brief})
	assert.Equal(t, patience, c.writing.limit)
	assert.False(t, c.writing.pace.Holds())
	c.Idle()
	c.Begin()
	takes(t, brief, func() { assert.Equal(t, ErrTimeout, fill(c)) })
	assert.True(t, c.body.sends.Holds())
	assert.Equal(t, brief, c.body.takes.grace)
}

// The registry ticks as the shortest limit wants it, at once and whether it has connections or not.
func TestTickFollowsTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := NewClients(ClientLimits{})
		c := all.Add(one(net.Pipe()), nil)
		defer c.Close()
		moves := func(tick time.Duration) {
			t.Helper()
			before := all.now.Load()
			time.Sleep(tick + time.Nanosecond)
			synctest.Wait()
			assert.EqualValues(t, tick, all.now.Load()-before)
		}
		moves(maxTick)
		time.Sleep(maxTick / 2) // Use must not wait for the next tick.
		all.Use(ClientLimits{Idle: ticksPerTimeout * minTick})
		moves(minTick)
		all.Use(ClientLimits{Idle: time.Hour})
		moves(maxTick)
	})
}

func one(c, _ net.Conn) net.Conn { return c }

// A higher bound lets those in who wait, and so does none. A lower one closes nobody.
func TestBoundChanges(t *testing.T) {
	for _, most := range []int{2, 0} {
		all, clients := crowd(t, 1)
		clients[0].Admitted()
		entered := entering(t, all, nil)
		require.True(t, isOpen(entered))
		all.Use(ClientLimits{Connections: most})
		<-entered
		assert.True(t, all.HasRoom())
		assert.Equal(t, most, all.Most())
		<-entering(t, all, nil)
		assert.False(t, all.Crowded())
	}

	all, clients := crowd(t, 3)
	for _, c := range clients {
		c.stage.Store(kept)
	}
	all.Use(ClientLimits{Connections: 2})
	assert.False(t, all.HasRoom())
	for _, c := range clients {
		assert.Equal(t, kept, c.stage.Load())
	}
	clients[0].Close()
	clients[1].Close()
	<-entering(t, all, nil)
}

// Connections whose waits began by different limits are told apart by how long they have waited.
func TestIdleByDifferentLimits(t *testing.T) {
	all, clients := crowd(t, 2)
	for _, c := range clients {
		c.stage.Store(kept)
	}
	clients[0].reading.due.Store(int64(time.Hour) + 1)
	all.Use(ClientLimits{Connections: 2, Idle: time.Second})
	clients[1].adopt()
	clients[1].reading.due.Store(int64(time.Second) + 2)
	_, idle := all.enter(true)
	all.evict(idle)
	assert.Equal(t, []int32{leaving, kept}, []int32{clients[0].stage.Load(), clients[1].stage.Load()})
}

func TestPipesChange(t *testing.T) {
	all := NewClients(ClientLimits{Pipes: 1})
	require.True(t, all.pipes.take())
	require.False(t, all.pipes.take())
	all.Use(ClientLimits{Pipes: 2})
	require.True(t, all.pipes.take())
	all.Use(ClientLimits{Pipes: 1})
	require.False(t, all.pipes.take())
	all.pipes.give()
	all.pipes.give()
	require.True(t, all.pipes.take())
}
