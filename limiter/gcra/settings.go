package gcra

import (
	"errors"
	"fmt"
	"time"
)

// MaxSpan is the longest time that a bucket may take to fill, in nanoseconds: some 73 years. The
// sum of two spans and a clock reading still fits into an int64.
const MaxSpan = 1 << 61

// Settings are what a bucket may hold and how fast it earns.
type Settings struct {
	// Capacity is the most tokens the bucket holds, at least 1.
	Capacity int64
	// Refill is how fast it earns them.
	Refill Refill
}

// ErrSettings is wrapped by every error about impossible settings.
var ErrSettings = errors.New("bad bucket settings")

// Validate reports why a bucket can't have these settings: it needs a capacity of at least 1 and a
// time to fill of at most MaxSpan. Errors name both values and wrap ErrSettings.
func (s Settings) Validate() error {
	if s.Capacity < 1 {
		return fmt.Errorf("%w: capacity %d is below 1", ErrSettings, s.Capacity)
	}
	if err := s.Refill.Validate(); err != nil {
		return fmt.Errorf("%w: refill %v: %w", ErrSettings, s.Refill, err)
	}
	if s.Capacity > MaxSpan/s.Refill.Interval() {
		return fmt.Errorf("%w: capacity %d with refill %v would take longer than %v to fill; "+
			"lower the capacity or refill faster", ErrSettings, s.Capacity, s.Refill, time.Duration(MaxSpan).Truncate(time.Hour))
	}
	return nil
}
