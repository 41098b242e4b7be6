// Package gcratest draws settings for property tests.
package gcratest

import (
	"time"

	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
)

// Refill draws from everything that gcra.Refill.Validate accepts.
func Refill(t *rapid.T) gcra.Refill {
	per := rapid.OneOf(
		rapid.SampledFrom([]int64{1000, int64(time.Second), int64(time.Minute), int64(time.Hour)}),
		rapid.Int64Range(1000, int64(20000*time.Hour)),
	).Draw(t, "per")
	return gcra.Refill{Amount: rapid.Int64Range(1, per/1000).Draw(t, "amount"), Per: time.Duration(per)}
}

// Settings draws from everything that gcra.Settings.Validate accepts.
func Settings(t *rapid.T) gcra.Settings {
	r := Refill(t)
	most := gcra.MaxSpan / r.Interval()
	capacity := rapid.OneOf(rapid.Int64Range(1, min(most, 100)), rapid.Int64Range(1, most))
	return gcra.Settings{Capacity: capacity.Draw(t, "capacity"), Refill: r}
}
