//go:build linux

package main

import (
	"sync"
	"sync/atomic"
)

// takers take from the replicas' limits, each in a goroutine of its own, as a take may wait.
type takers struct {
	fleet   fleet
	running sync.WaitGroup
	refused atomic.Int64
}

func newTakers(f fleet) *takers { return &takers{fleet: f} }

// take begins a take at one of the replicas.
func (t *takers) take(at int, client string) {
	t.running.Go(func() {
		if !t.fleet[at].limit.Take(client, 1).Allowed {
			t.refused.Add(1)
		}
	})
}

func (t *takers) wait() { t.running.Wait() }
