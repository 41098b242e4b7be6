//go:build linux

package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter"
)

// knownClients is how many clients go on taking while the others come.
const knownClients = 1_000

// arrivals measures takes of known keys while new keys come as fast as one goroutine can make them.
func (s *suite) arrivals() error {
	_, limit, err := openService(plenty(), int64(s.allClients+knownClients), limiter.Options{})
	if err != nil {
		return err
	}
	for n := range uint64(knownClients) {
		limit.Take(newVisitor(s.allClients+knownClients, 0).client(n), 1)
	}
	quiet := &histogram{}
	var done atomic.Bool
	time.AfterFunc(s.quiet, func() { done.Store(true) })
	takeKnown(limit, &done, quiet)

	done.Store(false)
	took := make(chan time.Duration, 1)
	go func() {
		start, v := time.Now(), newVisitor(s.allClients, 0)
		for n := range uint64(s.allClients) {
			limit.Take(v.client(knownClients+n), 1)
		}
		done.Store(true)
		took <- time.Since(start)
	}()
	busy := &histogram{}
	takeKnown(limit, &done, busy)
	title := fmt.Sprintf("takes on %s known keys while %s new keys arrive", count(knownClients), count(s.allClients))
	s.row(title+": p99.999, ms", "<= 1", "<= 0.1", []float64{milliseconds(busy.quantile(0.99999))})
	s.row(title+": longest, ms", "<= 20", "<= 5", []float64{milliseconds(busy.Longest)})
	s.note("%s keys arrived in %v. Of %s takes meanwhile, the median took %v, p99.9 %v. Before that, with nothing arriving, p99.999 of %s was %v and the longest took %v: that is the machine.",
		count(s.allClients), (<-took).Round(time.Millisecond), count(int(busy.Total)), busy.quantile(0.5), busy.quantile(0.999),
		count(int(quiet.Total)), quiet.quantile(0.99999), quiet.Longest)
	return nil
}

func takeKnown(limit *limiter.Limit, done *atomic.Bool, h *histogram) {
	v := newVisitor(knownClients, 1)
	for last := time.Now(); !done.Load(); {
		limit.Take(v.next(), 1)
		now := time.Now()
		h.add(now.Sub(last))
		last = now
	}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }
