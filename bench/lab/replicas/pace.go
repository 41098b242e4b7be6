//go:build linux

package main

import (
	"context"
	"time"
)

// tick is how often what is due is begun.
const tick = time.Millisecond

// pace calls begin with 0, 1, 2... at a rate for some time, whatever begin has others do. What is
// late is made up for. It returns how many calls there were, and how long they took together.
func pace(ctx context.Context, rate float64, d time.Duration, begin func(i int)) (n int, took time.Duration) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	start, all := time.Now(), int(rate*d.Seconds())
	for n < all {
		for due := min(all, int(rate*time.Since(start).Seconds())); n < due; n++ {
			begin(n)
		}
		if n == all {
			break
		}
		select {
		case <-ctx.Done():
			return n, time.Since(start)
		case <-ticker.C:
		}
	}
	return n, time.Since(start)
}
