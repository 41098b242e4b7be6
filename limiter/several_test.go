package limiter

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

func settingsOf(capacity int64, per time.Duration) gcra.Settings {
	return gcra.Settings{Capacity: capacity, Refill: gcra.Refill{Amount: 1, Per: per}}
}

// openSeveral opens a Service with limits of these settings, which are named a, b, c.
func openSeveral(t testing.TB, clock Clock, store Store, all ...gcra.Settings) *Service {
	t.Helper()
	return openEvery(t, time.Second, clock, store, all...)
}

// openEvery is openSeveral with a flush every so often.
func openEvery(t testing.TB, flush time.Duration, clock Clock, store Store, all ...gcra.Settings) *Service {
	t.Helper()
	o := Options{FlushInterval: flush, StoreTimeout: time.Minute, Clock: clock, Logger: zerolog.Nop()}
	for i, s := range all {
		o.Limits = append(o.Limits, LimitOptions{Name: string(rune('a' + i)), Settings: s, MaxBuckets: 1 << 30})
	}
	s, err := Open(context.Background(), o, store)
	require.NoError(t, err)
	return s
}

// usesOf are one of each limit, by the same client.
func usesOf(s *Service, clientID string, costs ...int64) []Use {
	uses := make([]Use, len(s.Limits()))
	for i, l := range s.Limits() {
		uses[i] = Use{Limit: l, ClientID: clientID, Cost: costs[i]}
	}
	return uses
}

// remaining are the whole tokens under each limit.
func remaining(s *Service, clientID string) (all []int64) {
	for _, l := range s.Limits() {
		all = append(all, l.Take(clientID, 0).Remaining)
	}
	return all
}

func TestSeveralAreTakenOrNone(t *testing.T) {
	s := openSeveral(t, &fakeClock{}, newFakeStore(), settingsOf(10, time.Minute), settingsOf(4, time.Second), settingsOf(100, time.Hour))
	uses := usesOf(s, "alice", 1, 2, 10)
	require.True(t, Take(uses))
	require.True(t, Take(uses))
	require.Equal(t, []int64{8, 0, 80}, remaining(s, "alice"))
	require.False(t, Take(uses))
	require.Equal(t, []int64{8, 0, 80}, remaining(s, "alice"), "the others are as they were")
	assert.True(t, uses[0].Decision.Allowed)
	assert.Zero(t, uses[0].Decision.RetryAfter)
	assert.False(t, uses[1].Decision.Allowed)
	assert.Equal(t, 2*time.Second, uses[1].Decision.RetryAfter, "until both tokens are there")
	assert.Zero(t, uses[1].Decision.Remaining)
	assert.Equal(t, int64(80), uses[2].Decision.Remaining)
	assert.Equal(t, table.Sight{}, uses[0].seen, "no bucket is held on to")
}

// A refusal makes no bucket, under any of the limits.
func TestARefusalMakesNoBucket(t *testing.T) {
	s := openSeveral(t, &fakeClock{}, newFakeStore(), settingsOf(10, time.Minute), settingsOf(1, time.Minute))
	require.True(t, s.Limits()[1].Take("alice", 1).Allowed)
	before := s.Stats()
	require.False(t, Take(usesOf(s, "alice", 1, 1)))
	require.Equal(t, before, s.Stats())
}

// All limits that refuse are known, and the longest wait is.
func TestAllLimitsThatRefuseAreKnown(t *testing.T) {
	s := openSeveral(t, &fakeClock{}, newFakeStore(), settingsOf(1, time.Minute), settingsOf(5, time.Second), settingsOf(1, time.Hour))
	require.True(t, Take(usesOf(s, "alice", 1, 1, 1)))
	uses := usesOf(s, "alice", 1, 1, 1)
	require.False(t, Take(uses))
	var refusing []string
	longest := time.Duration(0)
	for _, u := range uses {
		longest = max(longest, u.Decision.RetryAfter)
		if !u.Decision.Allowed {
			refusing = append(refusing, u.Limit.Name())
		}
	}
	require.Equal(t, []string{"a", "c"}, refusing)
	require.Equal(t, time.Hour, longest)
}

// A cost of 0 is never refused, and makes no bucket. One above a managed bucket's capacity is cut
// to it.
func TestCosts(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		d := f.Limit.Take("free", 0)
		require.True(t, d.Allowed)
		require.Equal(t, int64(10), d.Remaining)
	}
	require.Zero(t, f.Stats().Buckets)
	require.True(t, f.Limit.Take("a", 7).Allowed)
	d := f.Limit.Take("a", 4)
	require.False(t, d.Allowed)
	require.Equal(t, time.Minute, d.RetryAfter)
	require.Equal(t, int64(3), d.Remaining)
	require.True(t, f.Limit.Take("a", 3).Allowed)
	d = f.Limit.Take("a", 0)
	require.True(t, d.Allowed, "whatever is there")
	require.Zero(t, d.RetryAfter)

	require.NoError(t, errorOf(f.Create(context.Background(), "small", Change{Capacity: ptr(int64(2))})))
	require.True(t, f.Limit.Take("small", 7).Allowed, "all that it can hold")
	d = f.Limit.Take("small", 7)
	require.False(t, d.Allowed)
	require.Equal(t, 2*time.Minute, d.RetryAfter)
}

// Strict limits that lack a reservation refuse, and leave the others as they were.
func TestSeveralWithoutAReservation(t *testing.T) {
	clock := &fakeClock{}
	o := Options{FlushInterval: time.Second, StoreTimeout: time.Minute, Clock: clock, Logger: zerolog.Nop(), Limits: []LimitOptions{
		{Name: "a", Settings: settingsOf(10, time.Minute), MaxBuckets: 10},
		{Name: "b", Settings: settingsOf(10, time.Minute), MaxBuckets: 10, Strict: true},
	}}
	s, err := Open(context.Background(), o, newFakeStore())
	require.NoError(t, err)
	require.True(t, Take(usesOf(s, "alice", 1, 1)))
	require.NoError(t, s.flush(context.Background(), 0)) // reserves 5
	require.True(t, Take(usesOf(s, "alice", 1, 5)))
	uses := usesOf(s, "alice", 1, 1)
	require.False(t, Take(uses))
	require.True(t, uses[0].Decision.Allowed)
	require.Equal(t, int64(8), uses[0].Decision.Remaining)
	require.False(t, uses[1].Decision.Allowed)
	require.Equal(t, time.Second, uses[1].Decision.RetryAfter)
	require.NoError(t, s.flush(context.Background(), 0))
	require.True(t, Take(uses), "reserved anew")
}

// The sequential model of what several takers may get: an ideal bucket for each limit, which gets
// the requests that were admitted, in the order of their moments, and never has less than nothing.
func requireLaw(t *testing.T, s gcra.Settings, admitted []admission, name string) {
	t.Helper()
	slices.SortFunc(admitted, func(a, b admission) int { return int(a.at - b.at) })
	r, tat := gcra.NewRate(s), int64(0)
	for _, a := range admitted {
		tat = max(tat, a.at) + a.cost*r.Interval
		require.LessOrEqual(t, tat-a.at, r.Span, "%s: more than capacity + refill * t", name)
	}
}

type admission struct{ at, cost int64 }

// tickingClock goes on with every reading, by a little at random, and tells its reader.
type tickingClock struct{ now atomic.Int64 }

func (c *tickingClock) Monotonic() int64 { return c.now.Add(1 + rand.Int64N(20_000)) }
func (c *tickingClock) Wall() time.Time  { return dawn.Add(time.Duration(c.now.Load())) }

// All processors take from several limits in various orders, while buckets move, are flushed, and
// are reaped. What is admitted is within the law for each limit. The reaper's clock is behind that
// of every taker under way, as it is unless one is interrupted for longer than a bucket is full.
func TestSeveralKeepTheLawOnAllProcessors(t *testing.T) {
	settings := []gcra.Settings{settingsOf(40, time.Millisecond), settingsOf(8, 200*time.Microsecond), settingsOf(15, 400*time.Microsecond)}
	clock := &tickingClock{}
	s := openSeveral(t, clock, newFakeStore(), settings...)
	const clients, rounds = 3, 30_000
	type key struct{ limit, client int }
	var mu sync.Mutex
	admitted := map[key][]admission{}
	began := make([]atomic.Int64, 2*runtime.GOMAXPROCS(0))
	work := func(n int, dice *rand.Rand) {
		defer began[n].Store(math.MaxInt64)
		mine := map[key][]admission{}
		for range rounds / runtime.GOMAXPROCS(0) {
			client := dice.IntN(clients)
			order := dice.Perm(len(settings))[:1+dice.IntN(len(settings))]
			uses := make([]Use, len(order))
			for i, n := range order {
				uses[i] = Use{Limit: s.Limits()[n], ClientID: fmt.Sprint("client-", client), Cost: dice.Int64N(4)}
			}
			began[n].Store(clock.now.Load())
			now := clock.Monotonic()
			ok := takeAll(uses, now)
			for i, n := range order {
				if ok && uses[i].Cost > 0 {
					mine[key{n, client}] = append(mine[key{n, client}], admission{now, uses[i].Cost})
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for k, all := range mine {
			admitted[k] = append(admitted[k], all...)
		}
	}
	var all sync.WaitGroup
	done := make(chan struct{})
	for n := range began {
		all.Go(func() { work(n, rand.New(rand.NewPCG(uint64(n), 9))) })
	}
	var behind sync.WaitGroup
	behind.Go(func() {
		for shard := 0; ; shard++ {
			select {
			case <-done:
				return
			default:
			}
			assert.NoError(t, s.flush(context.Background(), 0))
			past := int64(math.MaxInt64)
			for i := range began {
				past = min(past, began[i].Load())
			}
			for _, l := range s.Limits() {
				l.table.Reap(shard%table.Shards, min(past, clock.Monotonic()))
			}
			runtime.Gosched()
		}
	})
	all.Wait()
	close(done)
	behind.Wait()
	for k, a := range admitted {
		require.Greater(t, len(a), 100, "limit %d, client %d", k.limit, k.client)
		requireLaw(t, settings[k.limit], a, fmt.Sprint("limit ", k.limit, ", client ", k.client))
	}
}

// What is given back is what the bucket hasn't earned since, and the law holds whatever else
// happens to the bucket.
func TestGiveBack(t *testing.T) {
	const minute = int64(time.Minute)
	for name, test := range map[string]struct {
		between func(f *fixture)
		want    int64 // tokens, of 10 with 3 taken
	}{
		"at once":          {func(*fixture) {}, 10},
		"partly earned":    {func(f *fixture) { f.clock.advance(time.Minute) }, 10},
		"after other take": {func(f *fixture) { f.admitted("a", 2) }, 8},
		"after a move":     {func(f *fixture) { f.moveAll() }, 7},
		"after a move and a take": {func(f *fixture) {
			f.moveAll()
			f.admitted("a", 4)
		}, 3},
		"after a flush": {func(f *fixture) { f.mustFlush() }, 10},
		"after an operator's write": {func(f *fixture) {
			require.NoError(f.t, errorOf(f.Put(context.Background(), "a", Change{Tokens: ptr(int64(5))})))
		}, 5},
		"after an operator's write and a move": {func(f *fixture) {
			f.moveAll()
			require.NoError(f.t, errorOf(f.Put(context.Background(), "a", Change{Tokens: ptr(int64(5))})))
			f.moveAll()
		}, 5},
		"after a delete, and a take": {func(f *fixture) {
			require.NoError(f.t, errorOf(f.Delete(context.Background(), "a")))
			f.admitted("a", 1)
		}, 9},
		"after a delete": {func(f *fixture) {
			require.NoError(f.t, errorOf(f.Delete(context.Background(), "a")))
		}, -1},
		"earned back, reaped, and taken from": {func(f *fixture) {
			f.clock.advance(4 * time.Minute)
			f.cleanAll()
			f.reapAll()
			require.Zero(f.t, f.Stats().Buckets)
			f.admitted("a", 2)
		}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.clock.advance(time.Duration(minute))
			var seen table.Sight
			now := f.clock.Monotonic()
			f.table.Seek(&seen, "a", 3)
			f.table.Look(&seen, now)
			f.table.Spend(&seen, now)
			require.Equal(t, table.Allowed, seen.Outcome)
			require.Equal(t, int64(7), f.tokens("a"))
			test.between(f)
			f.table.GiveBack(&seen, f.clock)
			if test.want < 0 {
				require.ErrorIs(t, errorOf(f.Get("a")), ErrNotFound, "no bucket is made")
				return
			}
			require.Equal(t, test.want, f.limitTokens("a"))
		})
	}
}

// moveAll has every bucket move to another slab.
func (f *fixture) moveAll() {
	for i := range 2000 {
		f.admitted(fmt.Sprint("mover-", i), 1)
	}
}

// limitTokens are the whole tokens that the client has, whether there is a bucket or not.
func (f *fixture) limitTokens(clientID string) int64 { return f.Limit.Take(clientID, 0).Remaining }

// Takers of two limits leave one as it was whenever the other refuses.
func TestALostRaceLeavesTheOthersAsTheyWere(t *testing.T) {
	s := openSeveral(t, &fakeClock{}, newFakeStore(), settingsOf(100_000, time.Hour), settingsOf(500, time.Hour))
	var all sync.WaitGroup
	var admitted atomic.Int64
	for range 2 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			uses := usesOf(s, "alice", 1, 1)
			for range 1000 {
				if Take(uses) {
					admitted.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, int64(500), admitted.Load())
	require.Equal(t, []int64{100_000 - 500, 0}, remaining(s, "alice"))
}

// Between its look and its take another has the last token: what was taken is given back.
func TestALostRaceGivesBack(t *testing.T) {
	s := openSeveral(t, &fakeClock{}, newFakeStore(), settingsOf(10, time.Hour), settingsOf(1, time.Hour), settingsOf(10, time.Hour))
	uses := usesOf(s, "alice", 4, 1, 1)
	for i := range uses {
		u := &uses[i]
		u.find(0)
		u.place.Table.Seek(&u.seen, u.ClientID, u.Cost)
		u.look()
		require.Equal(t, table.Allowed, u.seen.Outcome)
	}
	require.True(t, s.Limits()[1].Take("alice", 1).Allowed)
	require.False(t, spend(uses))
	require.Equal(t, []int64{10, 0, 10}, remaining(s, "alice"))
	for i := range uses {
		uses[i].decide()
	}
	require.True(t, uses[0].Decision.Allowed)
	require.Equal(t, int64(10), uses[0].Decision.Remaining)
	require.False(t, uses[1].Decision.Allowed)
}

func TestSeveralAllocateNothing(t *testing.T) {
	s := openSeveral(t, nil, newFakeStore(), plenty(), plenty(), settingsOf(1, 1000*time.Hour))
	buffer := []byte("client-000000001")
	uses := usesOf(s, aliasing(buffer), 1, 2, 0)
	require.True(t, Take(uses))
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if !Take(uses) {
			t.Error("refused")
		}
	}))
	uses[2].Cost = 1
	require.True(t, Take(uses))
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if Take(uses) {
			t.Error("allowed")
		}
	}))
	lone := uses[:1]
	require.Zero(t, testing.AllocsPerRun(1000, func() { Take(lone) }))
}

// BenchmarkTakeSeveral is a take from three limits, and by turns one from a limit of its own: three
// may cost 3.2 times as much as one. No flush comes in between.
func BenchmarkTakeSeveral(b *testing.B) {
	for _, c := range crowds() {
		b.Run(c.name, func(b *testing.B) { benchmarkTakeSeveral(b, c.clients) })
	}
}

func benchmarkTakeSeveral(b *testing.B, clients int) {
	lone := openEvery(b, time.Hour, nil, newFakeStore(), plenty()).Limits()[0]
	three := openEvery(b, time.Hour, nil, newFakeStore(), plenty(), plenty(), plenty()).Limits()
	takes := [...]func(clientID string){
		func(clientID string) { lone.Take(clientID, 1) },
		func(clientID string) {
			var uses [3]Use
			for i, l := range three {
				uses[i].Limit, uses[i].ClientID, uses[i].Cost = l, clientID, 1
			}
			Take(uses[:])
		},
	}
	for _, take := range takes {
		everyone(clients, take)
	}
	const atOnce = 1000
	var spent [len(takes)]time.Duration
	v := newVisitor(clients, 1<<40)
	b.ReportAllocs()
	for b.Loop() {
		for i, take := range takes {
			begin := time.Now()
			for range atOnce {
				take(v.next())
			}
			spent[i] += time.Since(begin)
		}
	}
	for i, limits := range [...]string{"1", "3"} {
		b.ReportMetric(float64(spent[i])/float64(b.N*atOnce), "ns/"+limits+"-limits")
	}
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "x-one")
}

// Two that lost a race had taken from the same full bucket. When the second gives back, what it had
// taken is earned already, as the first has given back: the token that was spent since stays spent.
func TestTwoGiveBacksGiveNoMoreThanWasTaken(t *testing.T) {
	f := newFixture(t)
	f.clock.advance(time.Hour)
	var first, second table.Sight
	now := f.clock.Monotonic()
	for _, seen := range []*table.Sight{&first, &second} {
		f.table.Seek(seen, "a", 1)
		f.table.Look(seen, now)
		f.table.Spend(seen, now)
	}
	f.table.GiveBack(&first, f.clock)
	require.Equal(t, int64(9), f.tokens("a"))
	f.clock.advance(time.Minute)
	require.Equal(t, 1, f.admitted("a", 1))
	f.table.GiveBack(&second, f.clock)
	require.Equal(t, int64(9), f.tokens("a"))
}
