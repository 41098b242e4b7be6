package gcra

import (
	"errors"
	"fmt"
	"time"
)

// MaxSpan is the longest time that a bucket may take to fill, in nanoseconds: some 54 years. Four
// times the sum of a span and a clock reading still fits into an int64: see package table.
const MaxSpan = 3 << 59

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

// Cut is the settings as far as they take MaxSpan to fill at most: with a lower capacity, or, if a
// single token takes longer, with a faster refill.
func (s Settings) Cut() Settings {
	if s.Refill.Interval() > MaxSpan {
		s.Refill = Refill{Amount: 1, Per: MaxSpan}
	}
	s.Capacity = min(s.Capacity, MaxSpan/s.Refill.Interval())
	return s
}
