package lease_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
	"gopher-equalizer/limiter/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time of all replicas of a test, and of their ledger.
type clock struct{ now time.Duration }

func (c *clock) Monotonic() int64 { return int64(c.now) }

func (c *clock) wall() time.Time { return time.Unix(1_700_000_000, 0).Add(c.now).UTC() }

// world is some replicas of one limit, in front of one ledger.
type world struct {
	*testing.T
	clock
	book     *leasetest.Book
	replicas []*lease.Replica
	limits   []*lease.Limit
}

func newWorld(t *testing.T, replicas int, o lease.LimitOptions) *world {
	w := &world{T: t}
	w.book = leasetest.NewBook(w.wall)
	o.Name, o.Fingerprint, o.MaxBuckets = "api", "ip", 1000
	for i := range replicas {
		r := lease.New(lease.Options{
			As:       lease.Member{Name: string(rune('a' + i)), Host: "host", PID: i},
			Interval: time.Second, TTL: 10 * time.Second, Timeout: time.Second,
			Clock: &w.clock, Logger: zerolog.Nop(),
		}, w.book)
		l := r.Limit(o)
		r.Use([]*lease.Limit{l})
		require.NoError(t, r.Join(t.Context()))
		w.replicas, w.limits = append(w.replicas, r), append(w.limits, l)
	}
	return w
}

// take takes a token at a replica, and reports whether it was there.
func (w *world) take(replica int) bool {
	l := w.limits[replica]
	p := l.At(w.Monotonic(), false)
	if p.Table == nil {
		return p.Allowed
	}
	if p.Table.Take("alice", 1, p.Now).Outcome == table.Allowed {
		return true
	}
	if p.Held {
		l.Want("alice", w.Monotonic())
	}
	return false
}

func (w *world) round(replica int) {
	w.Helper()
	require.NoError(w, w.replicas[replica].Round(w.Context(), false))
}

// takeAll takes until there is nothing, with a round whenever there seems to be nothing.
func (w *world) takeAll(replica int) (n int) {
	for range 20 {
		for w.take(replica) {
			n++
		}
		w.round(replica)
	}
	return n
}

func settings(capacity int64, refill string) lease.Numbers {
	r, err := gcra.ParseRefill(refill)
	if err != nil {
		panic(err)
	}
	return lease.Numbers{Settings: gcra.Settings{Capacity: capacity, Refill: r}}
}

func TestReplicasShareABucket(t *testing.T) {
	w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(10, "1/s")})
	require.False(t, w.take(0), "nothing was granted yet")
	first := w.takeAll(0)
	require.Equal(t, 10, first+w.takeAll(1))
	require.Equal(t, 10, first, "the other one needs nothing")
	w.now += 5100 * time.Millisecond
	w.round(0)
	w.round(1)
	require.Equal(t, 5, w.takeAll(1)+w.takeAll(0))
}

func TestWhatNobodyNeedsGoesBack(t *testing.T) {
	w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(10, "1/h")})
	require.False(t, w.take(0))
	w.round(0)
	require.True(t, w.take(0))
	w.round(0)
	require.Positive(t, w.replicas[0].Stats().Held)
	for range 4 {
		w.round(0)
	}
	require.Zero(t, w.replicas[0].Stats().Held)
	require.Zero(t, w.replicas[0].Stats().Leases)
	require.Zero(t, w.limits[0].Held().Stats().Buckets)
	require.Equal(t, 9, w.takeAll(1))
}

// Requests come at random. Where a bucket has plenty, a replica holds so much that nobody waits for
// the next round; where it doesn't, it holds what it expects to need.
func TestWhereThereIsPlentyNobodyWaits(t *testing.T) {
	for capacity, most := range map[int64]int{1000: 13, 20: 4} {
		w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(capacity, "1000/s")})
		require.False(t, w.take(0))
		w.round(0)
		for range 10 {
			for range 2 {
				require.True(t, w.take(0))
			}
			w.now += time.Second
			w.round(0)
		}
		n := 0
		for w.take(0) {
			n++
		}
		require.Equal(t, most, n, "of %d", capacity)
	}
}

func TestAStopGivesBack(t *testing.T) {
	w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(10, "1/h")})
	w.take(0)
	w.round(0)
	require.True(t, w.take(0))
	require.NoError(t, w.replicas[0].Close(t.Context()))
	require.Equal(t, 9, w.takeAll(1))
	require.Equal(t, 1, w.replicas[1].Stats().Alive)
}

// An expelled replica that stops finds out then. There is nothing left to give back.
func TestAnExpelledReplicaStops(t *testing.T) {
	w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(10, "1/h")})
	w.take(0)
	w.round(0)
	w.now += 11 * time.Second
	w.round(1)
	require.Equal(t, 1, w.replicas[1].Stats().Alive)
	require.NoError(t, w.replicas[0].Close(t.Context()))
	require.EqualValues(t, 1, w.replicas[0].Stats().Expulsions)
}

func TestASilentReplicaMayNotSpend(t *testing.T) {
	w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(10, "1/h"), OnLoss: lease.Refuse})
	w.take(0)
	w.round(0)
	w.now += 11 * time.Second
	require.False(t, w.take(0))
	require.True(t, w.replicas[0].IsCutOff())
	w.round(0)
	require.True(t, w.take(0), "nobody had noticed")
}

func TestAnExpelledReplicaHoldsNothing(t *testing.T) {
	w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(10, "1/h"), OnLoss: lease.Refuse})
	w.take(0)
	w.round(0)
	held := int(w.replicas[0].Stats().Held)
	require.Positive(t, held)
	w.now += 11 * time.Second
	require.Equal(t, 10-held, w.takeAll(1), "what the other held counts as spent")
	w.round(0)
	require.False(t, w.take(0))
	require.Equal(t, int64(1), w.replicas[0].Stats().Expulsions)
}

func TestAloneAClientHasItsShare(t *testing.T) {
	w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(10, "2/s")})
	w.round(0)
	w.now += 11 * time.Second
	require.False(t, w.take(0), "it begins empty")
	w.now += 3 * time.Second
	n := 0
	for w.take(0) {
		n++
	}
	require.Equal(t, 3, n, "half of the refill")
	w.now += time.Minute
	for w.take(0) {
		n++
	}
	require.Equal(t, 8, n, "half of the capacity at once")
}

func TestAChangeOfNumbersGivesBackWhatWasHeld(t *testing.T) {
	w := newWorld(t, 2, lease.LimitOptions{Numbers: settings(10, "1/h")})
	w.take(0)
	w.round(0)
	require.True(t, w.take(0))
	w.round(0)
	o := *w.limits[0].Options()
	o.Numbers = settings(20, "1/h")
	w.limits[0].Change(o)
	require.False(t, w.take(0))
	w.round(0)
	require.Equal(t, 9, w.takeAll(0)+w.takeAll(1))
}

// write has an operator give alice's bucket so many tokens.
func (w *world) write(tokens int64) {
	w.Helper()
	numbers := w.limits[0].Options().Numbers
	key := lease.Key{Namespace: w.limits[0].Namespace(), ClientID: "alice"}
	require.NoError(w, w.book.Change(w.Context(), key, &numbers, func(present *lease.State) (*lease.State, error) {
		return &lease.State{Managed: true, Settings: numbers.Settings, Tokens: float64(tokens - present.Leased)}, nil
	}))
}

func TestWhatAnOperatorTakesAwayIsNotSpent(t *testing.T) {
	w := newWorld(t, 3, lease.LimitOptions{Numbers: settings(30, "1/h")})
	for i := range w.replicas {
		require.False(t, w.take(i))
		w.round(i)
		require.True(t, w.take(i))
		w.round(i)
		require.Positive(t, w.replicas[i].Stats().Held)
	}
	w.write(0)
	for i := range w.replicas {
		w.round(i)
		require.False(t, w.take(i), "after a round")
	}
	for range 2 {
		for i := range w.replicas {
			w.round(i)
			require.False(t, w.take(i))
		}
	}
	w.write(8)
	require.Equal(t, 8, w.takeAll(0)+w.takeAll(1)+w.takeAll(2), "none was lost")
}

// since is the time since a moment, as a bubble of synctest has it.
type since time.Time

func (s since) Monotonic() int64 { return int64(time.Since(time.Time(s))) }

// A round in which everything is settled computes for long, so it is done aside.
func TestRoundsAreDoneAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var aside atomic.Int64
		r := lease.New(lease.Options{
			As: lease.Member{Name: "a"}, Interval: time.Second, TTL: 10 * time.Second, Timeout: time.Second,
			Aside: func(round func()) { aside.Add(1); round() },
			Clock: since(time.Now()), Logger: zerolog.Nop(),
		}, leasetest.NewBook(time.Now))
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx) })
		time.Sleep(3500 * time.Millisecond)
		require.Equal(t, int64(4), aside.Load())
		require.Equal(t, int64(4), r.Stats().Rounds)
		stop()
		running.Wait()
	})
}
