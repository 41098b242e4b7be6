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
