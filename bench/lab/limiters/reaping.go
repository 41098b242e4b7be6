//go:build linux

package main

import (
	"context"
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// reaping measures takes of known keys while the reaper goes once through a table full of buckets
// that hold nothing any more, and drops them. The known ones earn a token a millisecond, which is
// less than is taken from them.
func (s *suite) reaping() error {
	slow := gcra.Settings{Capacity: 1 << 40, Refill: gcra.Refill{Amount: 1, Per: time.Millisecond}}
	service, limit, err := openService(slow, int64(s.allClients+knownClients), limiter.Options{Volatile: true})
	if err != nil {
		return err
	}
	v := newVisitor(s.allClients+knownClients, 0)
	for n := range uint64(s.allClients + knownClients) {
		limit.Take(v.client(n), 1)
	}
	var done atomic.Bool
	quiet := &histogram{}
	time.AfterFunc(s.reapFor, func() { done.Store(true) })
	takeKnown(limit, &done, quiet)

	ctx, cancel := context.WithTimeout(context.Background(), s.reapFor)
	defer cancel()
	done.Store(false)
	go func() {
		service.Run(ctx)
		done.Store(true)
	}()
	h := &histogram{}
	takeKnown(limit, &done, h)
	title := "takes on " + count(knownClients) + " known keys while " + count(s.allClients) + " idle buckets are reaped"
	s.row(title+": p99.999, ms", "<= 1", "", []float64{milliseconds(h.quantile(0.99999))})
	s.row(title+": longest, ms", "<= 20", "<= 5", []float64{milliseconds(h.Longest)})
	left := service.Stats().Buckets
	s.note("In %v, %d buckets were reaped, and %d were left. p99.9 of takes meanwhile was %v. For as long before that, with nothing reaped, p99.999 was %v and the longest took %v: that is the machine.",
		s.reapFor, int64(s.allClients+knownClients)-left, left, h.quantile(0.999), quiet.quantile(0.99999), quiet.Longest)
	return nil
}
