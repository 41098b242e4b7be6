package limiter

import "time"

// Clock tells the time. Tests inject one; nil in Options means the system's.
type Clock interface {
	// Monotonic is the time since some fixed moment, in nanoseconds. It never goes back, and steps
	// of the wall clock don't move it. Buckets are refilled by it.
	Monotonic() int64
	// Wall is the time of day, for rows, which outlive the process.
	Wall() time.Time
}

type systemClock struct{ start time.Time }

// SystemClock is the system's clock.
func SystemClock() Clock { return &systemClock{time.Now()} }

// Monotonic uses time.Since, which reads the monotonic clock alone: half of what time.Now costs.
func (c *systemClock) Monotonic() int64 { return int64(time.Since(c.start)) }

func (c *systemClock) Wall() time.Time { return time.Now().UTC() }
