package limiter

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// A bucket that the flush needn't write spends a lot before the crash. It regains that, and what it
// would have earned until it was full: at most what it earns in a flush interval.
func TestACrashGivesBackWhatWasSpentAndAnIntervalsRefill(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Settings = gcra.Settings{Capacity: 100, Refill: gcra.Refill{Amount: 10, Per: time.Second}}
	f.reopen(o)
	f.admitted("a", 8) // full in 800 ms
	require.NoError(t, f.flush(context.Background(), time.Second))
	require.NotContains(t, f.store.all(), "a")
	f.admitted("a", 50)
	live := f.tokens("a")

	f.reopen(o)
	f.admitted("a", 100)
	regained := 100 - live
	assert.Equal(t, int64(58), regained)
	assert.LessOrEqual(t, regained, int64(50+10))
}

// While an operator's write puts a bucket into a tier, a reload gives the tier more. Memory has no
// more of it than the store, so a crash takes nothing.
func TestACrashTakesNothingOfAWriteThatAReloadOvertakes(t *testing.T) {
	ctx, gold := context.Background(), Change{Tier: ptr("gold")}
	own := func(tokens int64) Change {
		return Change{Capacity: ptr(int64(20)), Refill: &gcra.Refill{Amount: 1, Per: 24 * time.Hour}, Tokens: &tokens}
	}
	for name, test := range map[string]struct {
		before Change // what the client has before; empty: nothing
		tokens int64  // once it is written
	}{
		"the tier cuts it":       {own(8), 4},
		"the tier holds it":      {own(3), 3},
		"it is full, of nothing": {Change{}, 4},
		"it was in the tier":     {gold, 5}, // and has earned one in between
	} {
		t.Run(name, func(t *testing.T) {
			a := limitNamed("a", "ip")
			a.Tiers = map[string]gcra.Settings{"gold": settingsOf(4, time.Minute)}
			f := newLimitsFixture(t, a)
			if !test.before.Empty() {
				f.create("a", "alice", test.before)
			}
			f.store.hook(func(Batch) error {
				a.Tiers = map[string]gcra.Settings{"gold": settingsOf(12, time.Hour)}
				f.reload(a)
				f.clock.advance(time.Hour)
				return nil
			})
			w, err := f.Put(ctx, "a", "alice", gold)
			require.NoError(t, err)
			f.store.hook(nil)
			require.Equal(t, test.tokens, w.Tokens)
			f.create("a", "bob", Change{}) // which notes the reload in the store
			f.start(a)
			require.GreaterOrEqual(t, f.held("a", "alice"), test.tokens)
		})
	}
}
