package table

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// still is a clock that stands still.
type still int64

func (c still) Monotonic() int64 { return int64(c) }

// A round computes a limit, writes its row, and sets the limit then. If other numbers came
// meanwhile, once or twice, the limit isn't one under them. The bucket keeps the one it has.
func TestLimitOfFormerNumbersIsNotSet(t *testing.T) {
	const capacity, spent, reserved = 10, 3, 2
	for reloads := 1; reloads <= 2; reloads++ {
		buckets := newTable(one(capacity, time.Second), 100)
		buckets.Take("client-a", spent, 0)
		var seen Observation
		buckets.Update("client-a", func(c *Claim, b *Bucket) { seen = c.Limit(b, 0, reserved) })
		for i := range reloads {
			buckets.Renumber(one(capacity, time.Duration(i+2)*time.Minute), nil, still(0))
			buckets.Renew(nil)
		}
		buckets.Update("client-a", func(c *Claim, b *Bucket) {
			assert.False(t, c.SetLimit(b, seen.TAT+int64(time.Hour), seen))
		})
		assert.Equal(t, reserved, buckets.admitted("client-a", capacity, 0), reloads)
	}
}

// Who has read the clock before the numbers began gets what the bucket held at their beginning. It
// was counted under others before.
func TestHoldingIsNotOfBeforeTheNumbers(t *testing.T) {
	const capacity, spent, began = 10, 4, int64(time.Hour)
	buckets := newTable(one(capacity, 2*time.Hour), 100)
	buckets.Take("client-a", spent, 0)
	buckets.Renumber(one(capacity, time.Minute), nil, still(began))
	buckets.Update("client-a", func(c *Claim, b *Bucket) {
		seen := c.Observe(b)
		held := seen.Holding(0)
		assert.Equal(t, began, held.At)
		assert.Equal(t, int64(capacity-spent)*int64(time.Minute)+int64(30*time.Second), held.Credit)
		assert.Equal(t, began+1, seen.Holding(began+1).At)
	})
}
