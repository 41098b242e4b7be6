package limiter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

func TestRestart(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Create(ctx, "managed", Change{Capacity: ptr(int64(15)), Tokens: ptr(int64(5)), Refill: &gcra.Refill{Amount: 1, Per: time.Hour}})
	require.NoError(t, err)
	f.admitted("spent", 10)
	f.admitted("managed", 2)
	f.mustFlush()
	f.admitted("managed", 1) // lost by the crash

	f.reopen(f.options())
	assert.Equal(t, int64(3), f.tokens("managed"))
	assert.Zero(t, f.tokens("spent"))
	assert.Equal(t, int64(1), f.Stats().Managed)

	f.clock.advance(3 * time.Minute)
	f.reopen(f.options())
	assert.Equal(t, int64(3), f.tokens("spent"), "what was earned while it was down is credited")
}

func TestRestartWithTheWallClockStepped(t *testing.T) {
	for name, test := range map[string]struct {
		step time.Duration
		want int64
	}{
		"back":    {-time.Hour, 4}, // as it was stored: not credited, and not locked out
		"forward": {1000 * time.Hour, 10},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.Create(context.Background(), "a", Change{Tokens: ptr(int64(4))})
			require.NoError(t, err)
			f.clock.skew.Store(int64(test.step))
			f.reopen(f.options())
			assert.Equal(t, test.want, f.tokens("a"))
			assert.Equal(t, int(test.want), f.admitted("a", 50))
		})
	}
}

// The process may be interrupted before any reading of its clocks. The time that passes then is
// credited at most once.
func TestTimeGoesByBetweenTwoReadings(t *testing.T) {
	for _, strict := range []bool{false, true} {
		reached := true
		for reading := int64(1); reached; reading++ {
			f := newFixture(t)
			f.clock.untilJump.Store(reading)
			o := f.options()
			o.Settings, o.Strict = gcra.Settings{Capacity: 100, Refill: gcra.Refill{Amount: 1, Per: time.Second}}, strict
			f.reopen(o)
			spent, crashed := f.admitted("a", 10), int64(-1)
			for n, step := range strings.Fields("flush stop start crash stop start change flush crash") {
				if step == "crash" && strict {
					spent += f.admitted("a", 100)
					crashed = f.clock.Monotonic()
				}
				f.step(step, o)
				at := fmt.Sprintf("strict %v, a second before reading %d, at step %d, %s", strict, reading, n, step)
				require.LessOrEqual(t, f.tokens("a"), 100-int64(spent)+f.clock.Monotonic()/int64(time.Second), at)
				if crashed >= 0 {
					require.LessOrEqual(t, int64(f.admitted(at, 3)), (f.clock.Monotonic()-crashed)/int64(time.Second), at)
				}
			}
			reached = f.clock.untilJump.Load() <= 0
		}
	}
}

func (f *fixture) step(name string, o oneOptions) {
	switch ctx := context.Background(); name {
	case "flush":
		f.mustFlush()
	case "stop":
		require.NoError(f.t, f.Close(ctx))
	case "change":
		_, err := f.Patch(ctx, "a", Change{Capacity: ptr(int64(100))})
		require.NoError(f.t, err)
	case "start", "crash":
		f.reopen(o)
	}
}

// A taker may have read the clock after the flusher did. The flusher's row lacks what the taker
// spent.
func TestRestartAfterAFlushWithAnOlderClock(t *testing.T) {
	f := newFixture(t)
	for range 10 {
		f.table.Take("a", 1, int64(time.Hour)) // the takers are an hour ahead
	}
	f.mustFlush()
	f.clock.advance(time.Hour)
	f.reopen(f.options())
	assert.Zero(t, f.tokens("a"))
}

func TestRestartWithChangedDefaults(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Create(ctx, "managed", Change{Tokens: ptr(int64(4))})
	require.NoError(t, err)
	f.admitted("unmanaged", 10)
	f.mustFlush()
	f.clock.advance(2 * time.Minute)

	o := f.options()
	o.Settings = gcra.Settings{Capacity: 5, Refill: gcra.Refill{Amount: 1, Per: time.Second}}
	f.reopen(o)
	assert.Equal(t, int64(2), f.tokens("unmanaged"), "earned at the stored refill up to now")
	assert.Equal(t, int64(6), f.tokens("managed"), "a managed bucket keeps its own settings")
	f.clock.advance(time.Second)
	assert.Equal(t, int64(3), f.tokens("unmanaged"), "then at the new one")
	f.clock.advance(time.Hour)
	_, err = f.Get("unmanaged")
	require.ErrorIs(t, err, ErrNotFound, "full at the new capacity")

	f.reopen(o)
	f.mustFlush()
	assert.NotContains(t, f.store.all(), "unmanaged", "a row that holds nothing goes")

	// The new settings are stored together with the tokens that they apply to.
	f.admitted("other", 5)
	f.mustFlush()
	assert.Equal(t, o.Settings, f.store.all()["other"].Settings)
}

// A client has what it earned at the old settings, however large the new capacity is. One whose
// bucket was full by then is like one without a bucket.
func TestRestartWithALargerCapacity(t *testing.T) {
	f := newFixture(t)
	f.admitted("a", 5)
	f.admitted("full", 5)
	f.admitted("a", 3)
	f.mustFlush()
	f.clock.advance(5 * time.Minute)
	o := f.options()
	o.Settings.Capacity = 1000
	f.reopen(o)
	assert.Equal(t, int64(7), f.tokens("a"))
	assert.Equal(t, 1000, f.admitted("full", 1001))
	f.mustFlush()
	assert.Equal(t, o.Settings, f.store.all()["a"].Settings, "what the new settings changed is dirty")
}

// A row that was stored while the clock was wrong is corrected once.
func TestRestartWithARowOfTheFuture(t *testing.T) {
	f := newFixture(t)
	f.clock.skew.Store(int64(1000 * time.Hour))
	_, err := f.Create(context.Background(), "a", Change{Tokens: ptr(int64(0))})
	require.NoError(t, err)
	f.clock.skew.Store(0)
	f.reopen(f.options())
	f.mustFlush()
	f.clock.advance(3 * time.Minute)
	f.reopen(f.options())
	assert.Equal(t, int64(3), f.tokens("a"))
}

// A store that hangs doesn't hang the start. One that is slow may take its time.
func TestLoadOfAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &loading{fakeStore: newFakeStore(), rows: 5, pause: 900 * time.Millisecond}
		o := oneOptions{Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, MaxBuckets: 10, FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.Nop()}
		start := time.Now()
		s, err := openOne(context.Background(), o, store)
		require.NoError(t, err)
		assert.Equal(t, int64(5), s.Stats().Buckets)
		assert.Equal(t, 4500*time.Millisecond, time.Since(start))

		store.pause = time.Hour
		start = time.Now()
		_, err = openOne(context.Background(), o, store)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "nothing came for 1s")
		assert.LessOrEqual(t, time.Since(start), 2*time.Second)
	})
}

// loading pauses before each row.
type loading struct {
	*fakeStore
	rows  int
	pause time.Duration
}

func (s *loading) Load(ctx context.Context, namespace uint32, yield func(Record) error) error {
	for i := range s.rows {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(s.pause):
		}
		r := Record{Key: Key{1, fmt.Sprint(i)}, Managed: true, Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, Tokens: 1, At: time.Now().UTC()}
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// A late and slow load counts what is spent meanwhile, and writes to the store wait for it.
func TestLateLoadCountsWhatIsSpentMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.admitted("a", 1)
	f.mustFlush()
	o := f.options()
	o.LoadLater = true
	f.reopen(o)
	f.one.store = &meanwhile{f.store, func() {
		f.clock.advance(10 * time.Minute)
		assert.Equal(t, 10, f.admitted("a", 20))
		assert.Len(t, f.writing, 1, "the write lock is held")
	}}
	f.mustFlush()
	assert.False(t, f.Take("a").Allowed)
}

// meanwhile calls f once a load has begun.
type meanwhile struct {
	*fakeStore
	do func()
}

func (s *meanwhile) Load(ctx context.Context, namespace uint32, yield func(Record) error) error {
	s.do()
	return s.fakeStore.Load(ctx, namespace, yield)
}

func TestLoadRefusesWhatCantBe(t *testing.T) {
	f := newFixture(t)
	f.store.rows["odd"] = Record{Key: Key{1, "odd"}, Settings: gcra.Settings{Capacity: -1}}
	_, err := openOne(context.Background(), f.options(), f.store)
	require.ErrorIs(t, err, gcra.ErrSettings)
	assert.ErrorContains(t, err, `client "odd"`)
}

func TestManagedBucketsAreLoadedPastTheCap(t *testing.T) {
	f := newFixture(t)
	for i := range 5 {
		_, err := f.Create(context.Background(), fmt.Sprint(i), Change{})
		require.NoError(t, err)
	}
	o := f.options()
	o.MaxBuckets = 2
	f.reopen(o)
	assert.Equal(t, int64(5), f.Stats().Managed)
}

func TestStoreThatComesLate(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.admitted("both", 4)
	_, err := f.Create(ctx, "managed", Change{Capacity: ptr(int64(20)), Tokens: ptr(int64(15))})
	require.NoError(t, err)
	f.mustFlush()

	o := f.options()
	o.LoadLater = true
	f.reopen(o)
	assert.False(t, f.Stats().StoreUp)
	f.admitted("both", 3)
	f.admitted("managed", 2)
	f.admitted("new", 1)
	_, err = f.Create(ctx, "another", Change{})
	require.ErrorIs(t, err, ErrStore)
	require.ErrorIs(t, err, errNotLoaded)

	// The load breaks off after each row once. Restored rows aren't restored again.
	f.one.store = &breaking{fakeStore: f.store}
	for range 2 {
		require.Error(t, f.flush(ctx, 0))
		assert.False(t, f.Stats().StoreUp)
	}
	f.mustFlush()
	assert.Equal(t, int64(3), f.tokens("both"), "10 - 4 before the restart - 3 after it")
	assert.Equal(t, int64(13), f.tokens("managed"))
	assert.Equal(t, int64(9), f.tokens("new"))
	assert.Equal(t, 3.0, f.store.all()["both"].Tokens)
	assert.Equal(t, 13.0, f.store.all()["managed"].Tokens)
	assert.Equal(t, int64(3), f.Stats().Buckets)
	assert.Equal(t, int64(1), f.Stats().Managed)
	_, err = f.Create(ctx, "another", Change{})
	require.NoError(t, err)
}

// breaking breaks its n-th load off after n rows.
type breaking struct {
	*fakeStore
	loads int
}

func (s *breaking) Load(ctx context.Context, namespace uint32, yield func(Record) error) error {
	s.loads++
	rows := 0
	return s.fakeStore.Load(ctx, namespace, func(r Record) error {
		if rows++; rows > s.loads && s.loads < 3 || s.loads == 2 {
			return errors.New("connection reset")
		}
		return yield(r)
	})
}

// again loads the same record n times, which is enough to test progress.
type again struct {
	*fakeStore
	times int
}

func (s again) Load(_ context.Context, namespace uint32, yield func(Record) error) error {
	r := Record{Key: Key{1, "a"}, Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, Tokens: 1, At: time.Now().UTC()}
	for range s.times {
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

func TestALongLoadSaysHowFarItIs(t *testing.T) {
	var log bytes.Buffer
	o := oneOptions{
		Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, MaxBuckets: 10, FlushInterval: time.Second, StoreTimeout: time.Minute, Logger: zerolog.New(&log),
	}
	_, err := openOne(context.Background(), o, again{newFakeStore(), loadProgress + 1})
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 2)
	assert.JSONEq(t, `{"level":"info","limit":"default","buckets":1000000,"message":"loading"}`, lines[0])
	assert.Contains(t, lines[1], `"buckets":1000001`)
}

// Former versions allowed settings that take longer to fill than any may now. A start goes on with
// less of them, and stores that.
func TestLoadOfWhatFillsTooSlowly(t *testing.T) {
	f := newFixture(t)
	f.admitted("slow", 1)
	f.admitted("slower", 1)
	f.mustFlush()
	long := gcra.Settings{Capacity: 60 * 365, Refill: gcra.Refill{Amount: 1, Per: 24 * time.Hour}}
	for name, tokens := range map[string]float64{"slow": 100, "slower": 60 * 365} {
		r := f.store.rows[name]
		r.Managed, r.Settings, r.Tokens = true, long, tokens
		f.store.rows[name] = r
	}
	o := f.options()
	var lines bytes.Buffer
	o.Logger = zerolog.New(&lines)
	f.reopen(o)
	assert.Contains(t, lines.String(), `"buckets":2`)
	assert.Contains(t, lines.String(), "take longer to fill than any may")
	cut := long.Cut()
	assert.Equal(t, int64(100), f.tokens("slow"), "it has what it had")
	assert.Equal(t, cut.Capacity, f.tokens("slower"), "or what it can hold")
	f.mustFlush()
	for _, name := range []string{"slow", "slower"} {
		assert.Equal(t, cut, f.store.all()[name].Settings)
	}
}
