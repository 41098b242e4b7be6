package meter

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// A quantile lies in the bucket that has it.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, int64(12*time.Second)), 1, 200).Draw(t, "durations")
		q := rapid.Float64Range(0.01, 1).Draw(t, "q")
		var h Histogram
		for _, d := range all {
			h.Observe(time.Duration(d))
		}
		var d Distribution
		h.AddTo(&d)
		slices.Sort(all)
		exact := time.Duration(all[max(0, int(q*float64(len(all))+0.999999)-1)])
		got := d.Quantile(q)
		i := slices.IndexFunc(bounds[:], func(bound time.Duration) bool { return exact <= bound })
		switch i {
		case -1:
			assert.Equal(t, Bound(Buckets-2), got)
		case 0:
			assert.LessOrEqual(t, got, Bound(0))
		default:
			assert.GreaterOrEqual(t, got, Bound(i-1))
			assert.LessOrEqual(t, got, Bound(i))
		}
	})
	assert.Zero(t, (&Distribution{}).Quantile(0.5))
}

func TestSinceUndoesAdd(t *testing.T) {
	var h Histogram
	h.Observe(time.Millisecond)
	var before Distribution
	h.AddTo(&before)
	h.Observe(time.Second)
	h.Observe(time.Minute)
	var after Distribution
	h.AddTo(&after)
	since := after.Since(&before)
	assert.EqualValues(t, 2, since.Count())
	assert.Equal(t, 61*time.Second, since.Sum)
	since.Add(&before)
	assert.Equal(t, after, since)
}
