package limiter

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// newStrictFixture has capacity 10 and refill 1/1m, so a row reserves 5 tokens.
func newStrictFixture(t *testing.T) *fixture {
	f := &fixture{t: t, clock: &fakeClock{}, store: newFakeStore()}
	f.reopen(f.strict())
	return f
}

func (f *fixture) strict() oneOptions {
	o := f.options()
	o.Strict = true
	return o
}

func TestStrictAdmitsWhatIsReserved(t *testing.T) {
	f := newStrictFixture(t)
	assert.Equal(t, 3, f.admitted("a", 3), "who has no row needs no reservation")
	f.mustFlush()
	assert.Equal(t, 7.0, f.store.all()["a"].Tokens)
	assert.Equal(t, 5.0, f.store.all()["a"].Reserved)

	d := f.Take("a")
	assert.True(t, d.Allowed)
	assert.Equal(t, int64(4), d.Remaining, "the reserved ones, not the 6 that are there")
	assert.Equal(t, 4, f.admitted("a", 10))
	d = f.Take("a")
	assert.False(t, d.Allowed)
	assert.Zero(t, d.Remaining)
	assert.Equal(t, f.Limit.service.options().FlushInterval, d.RetryAfter, "the token is there: it comes with the next flush")
	assert.Equal(t, int64(2), f.tokens("a"))

	f.mustFlush()
	assert.Equal(t, 2, f.admitted("a", 10))
	assert.Equal(t, time.Minute, f.Take("a").RetryAfter, "there is none")
}

func TestStrictCrash(t *testing.T) {
	f := newStrictFixture(t)
	ctx := context.Background()
	f.admitted("row", 2)
	_, err := f.Create(ctx, "managed", Change{Capacity: ptr(int64(20))})
	require.NoError(t, err)
	f.admitted("managed", 4)
	f.mustFlush()
	_, err = f.Create(ctx, "fresh", Change{})
	require.NoError(t, err)
	f.admitted("row", 5)
	f.admitted("no row", 10)

	f.reopen(f.strict())
	assert.Equal(t, int64(3), f.tokens("row"), "10 - 2 - 5")
	assert.Equal(t, int64(6), f.tokens("managed"), "20 - 4 - 10")
	assert.Zero(t, f.tokens("fresh"), "what an admin write stores reserves everything")
	assert.Zero(t, f.admitted("no row", 1))
	assert.Zero(t, f.admitted("never seen", 1))
	assert.Zero(t, f.admitted("row", 1), "nothing is reserved yet")
	f.clock.advance(2 * time.Minute)
	assert.Equal(t, 2, f.admitted("never seen", 3), "it earns from the start on")

	f.mustFlush()
	assert.Equal(t, 5, f.admitted("row", 9))
	f.reopen(f.strict())
	assert.Zero(t, f.tokens("row"))
}

func TestStrictStop(t *testing.T) {
	f := newStrictFixture(t)
	f.admitted("a", 3)
	require.NoError(t, f.Close(context.Background()))
	f.reopen(f.strict())
	assert.Equal(t, int64(7), f.tokens("a"))
	assert.Equal(t, 5, f.admitted("a", 10), "the reservation holds over the stop")
	assert.Equal(t, 10, f.admitted("b", 11))
	f.reopen(f.strict())
	assert.Equal(t, int64(2), f.tokens("a"), "the start is noted before anything is spent")
}

// Half the capacity is less than what this client earns between two flushes.
func TestStrictClientAtItsFullRateMeetsNoLimit(t *testing.T) {
	f := newStrictFixture(t)
	o := f.strict()
	o.Settings = gcra.Settings{Capacity: 150, Refill: gcra.Refill{Amount: 100, Per: time.Second}}
	require.NoError(t, f.Close(context.Background()))
	f.reopen(o)
	require.Equal(t, 150, f.admitted("a", 150))
	for range 5 {
		require.NoError(t, f.flush(context.Background(), o.FlushInterval))
		require.Contains(t, f.store.all(), "a")
		for range 100 {
			f.clock.advance(10 * time.Millisecond)
			require.True(t, f.Take("a").Allowed)
		}
	}
}

// A client that was counted under other settings may spend what its row reserves of them: see
// ledger.go.
func TestStrictAfterOtherRules(t *testing.T) {
	f := newFixture(t)
	f.admitted("a", 3)
	require.NoError(t, f.Close(context.Background()))
	check := func(o oneOptions, tokens int64, reserved int) {
		t.Helper()
		f.reopen(o)
		assert.Equal(t, tokens, f.tokens("a"))
		assert.Equal(t, int64(1), f.Stats().Dirty, "it needn't be refused first")
		assert.Equal(t, reserved, f.admitted("a", 1), "of what the row reserves, under other numbers, too")
		f.mustFlush()
		assert.Equal(t, int(o.Settings.Capacity+1)/2-reserved, f.admitted("a", 20))
		require.NoError(t, f.Close(context.Background()))
	}
	check(f.strict(), 7, 0)
	o := f.strict()
	o.Settings.Capacity = 4
	check(o, 2, 1)

	// And back: what a crash leaves reserved is spent, whichever settings the next run has.
	f.reopen(f.strict())
	f.mustFlush()
	f.reopen(f.options())
	assert.Zero(t, f.tokens("a"))
}

func TestStrictWithTheStoreAway(t *testing.T) {
	for name, doubt := range map[string]error{"refused": errors.New("away"), "in doubt": ErrInDoubt} {
		t.Run(name, func(t *testing.T) {
			f := newStrictFixture(t)
			f.admitted("row", 1)
			f.mustFlush()
			f.admitted("no row", 1)
			f.store.doubtKeep = true
			f.store.hook(func(Batch) error { return doubt })
			require.Error(t, f.flush(context.Background(), 0))
			assert.Equal(t, 5, f.admitted("row", 20))
			want := 9
			if errors.Is(doubt, ErrInDoubt) {
				want = 5 // its row may be stored
			}
			assert.Equal(t, want, f.admitted("no row", 20))
			assert.Equal(t, 10, f.admitted("new", 20))
			f.store.hook(nil)
			f.mustFlush()
			assert.Equal(t, 4, f.admitted("row", 20))
		})
	}
}

// A full bucket has no limit. Otherwise its client would find nothing reserved when it comes.
func TestStrictFullBuckets(t *testing.T) {
	f := newStrictFixture(t)
	_, err := f.Create(context.Background(), "managed", Change{})
	require.NoError(t, err)
	f.admitted("managed", 10)
	f.admitted("unmanaged", 10)
	f.mustFlush()
	f.clock.advance(10 * time.Minute)
	f.reapAll()
	f.mustFlush()
	assert.Equal(t, Record{
		Key: Key{1, "managed"}, Managed: true, Settings: f.Defaults(), Tokens: 10, Reserved: math.Inf(1), At: dawn.Add(10 * time.Minute),
	}, f.store.all()["managed"])
	assert.NotContains(t, f.store.all(), "unmanaged")
	f.clock.advance(time.Hour)
	assert.Equal(t, 10, f.admitted("managed", 11))
	assert.Equal(t, 10, f.admitted("unmanaged", 11))
	f.reapAll()
	assert.Equal(t, int64(2), f.Stats().Dirty, "each once")
}

func TestStrictNeedsTheStoreAtTheStart(t *testing.T) {
	f := newFixture(t)
	o := f.strict()
	o.LoadLater = true
	_, err := openOne(context.Background(), o, f.store)
	require.ErrorContains(t, err, "the store must be there at the start")
	f.store.hook(func(Batch) error { return errors.New("read only") })
	_, err = openOne(context.Background(), f.strict(), f.store)
	require.ErrorContains(t, err, "note the start, before anything is spent: read only")
}

// While a flush gives their bucket a limit, takers spend nothing past it, and nothing twice.
func TestTakesAgainstANewLimit(t *testing.T) {
	f := newStrictFixture(t)
	o := f.strict()
	o.Settings = gcra.Settings{Capacity: 1000, Refill: gcra.Refill{Amount: 1, Per: time.Hour}}
	for range 300 {
		f.store = newFakeStore()
		f.reopen(o)
		allowed := make([]int, 2)
		var takers sync.WaitGroup
		for i := range allowed {
			takers.Go(func() { allowed[i] = f.admitted("a", 600) })
		}
		f.mustFlush()
		takers.Wait()
		spent := allowed[0] + allowed[1]
		require.Equal(t, int64(1000-spent), f.tokens("a"))
		if row, ok := f.store.all()["a"]; ok {
			require.LessOrEqual(t, row.Tokens-row.Reserved, float64(1000-spent), "what a crash leaves is not more than there is")
		} else {
			require.Equal(t, 1000, spent)
		}
	}
}

// A client that waits for a reservation doesn't wait for the end of the interval. A store that is
// down isn't asked more often for that.
func TestStrictFlushesEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		o := (&fixture{clock: nil}).strict()
		o.Clock, o.FlushInterval = nil, 10*time.Second
		s, err := openOne(context.Background(), o, store)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		s.Take("a")
		time.Sleep(11 * time.Second)
		for s.Take("a").Allowed {
		}
		start := time.Now()
		for !s.Take("a").Allowed {
			time.Sleep(10 * time.Millisecond)
		}
		assert.LessOrEqual(t, time.Since(start), time.Second)

		store.hook(func(Batch) error { return errors.New("away") })
		before := s.Stats().FlushErrors
		for range 6000 {
			s.Take("a")
			time.Sleep(10 * time.Millisecond)
		}
		assert.LessOrEqual(t, s.Stats().FlushErrors-before, int64(8))
		cancel()
		<-done
	})
}

func TestStrictTakeDoesNotAllocate(t *testing.T) {
	f := newStrictFixture(t)
	f.admitted("a", 1)
	f.mustFlush()
	assert.Zero(t, testing.AllocsPerRun(100, func() { f.Take("a") }))
}
