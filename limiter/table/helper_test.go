package table

import (
	"fmt"
	"sync"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// one is a bucket of so many tokens that earns one in per.
func one(capacity int64, per time.Duration) gcra.Settings {
	return gcra.Settings{Capacity: capacity, Refill: gcra.Refill{Amount: 1, Per: per}}
}

func newTable(defaults gcra.Settings, maxBuckets int64) *Table {
	return New(Options{Defaults: defaults, MaxBuckets: maxBuckets})
}

func (t *Table) shardOf(clientID string) *shard { return t.shard(t.hash(clientID)) }

// clientsOf makes n client_ids of a shard.
func (t *Table) clientsOf(s *shard, n int) (ids []string) {
	for i := 0; len(ids) < n; i++ {
		if id := fmt.Sprint("client-", i); t.shardOf(id) == s {
			ids = append(ids, id)
		}
	}
	return ids
}

// admitted takes n times, and counts what was allowed.
func (t *Table) admitted(clientID string, n int, now int64) (allowed int) {
	for range n {
		if t.Take(clientID, 1, now).Outcome == Allowed {
			allowed++
		}
	}
	return allowed
}

func (t *Table) reapAll(now int64) {
	for i := range Shards {
		t.Reap(i, now)
	}
}

// tokens are the whole ones that the client's bucket holds.
func (t *Table) tokens(clientID string, now int64) int64 {
	seen, _ := t.Find(clientID, now)
	return seen.Rate.Whole(seen.Rate.Credit(seen.TAT, now))
}

// clean takes the dirty bits of these buckets away, and returns their client_ids.
func (t *Table) clean(group []*Bucket) (ids []string) {
	for _, b := range group {
		ids = append(ids, b.ClientID())
		t.Update(b.ClientID(), func(c *Claim, b *Bucket) { c.Clean(b) })
	}
	return ids
}

// together runs two functions at the same time.
func together(a, b func()) {
	var both sync.WaitGroup
	start := make(chan struct{})
	for _, f := range []func(){a, b} {
		both.Go(func() { <-start; f() })
	}
	close(start)
	both.Wait()
}
