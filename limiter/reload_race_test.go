package limiter

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// Takers spend while numbers change, pages move, rounds run and operators write. No token is won or
// lost: each limit has a refill that earns nothing in the time.
func TestTakesThroughReloads(t *testing.T) {
	const clients, each = 300, 60
	a := limitNamed("a", "ip")
	a.Settings = settingsOf(1000, 24*time.Hour)
	a.Tiers = map[string]gcra.Settings{"gold": settingsOf(1000, 24*time.Hour)}
	b := a
	b.Name = "b"
	f := newLimitsFixture(t, a, b)
	id := func(n int) string { return fmt.Sprint("client-", n) }
	for n := range clients / 3 {
		f.create("a", id(n), Change{Tier: ptr("gold"), Tokens: ptr(int64(1000))})
	}
	var taken [clients]atomic.Int64
	var takers, others sync.WaitGroup
	for n := range 4 {
		takers.Go(func() {
			for i := range clients * each {
				client := (i*7 + n*clients/4) % clients
				uses := []Use{
					{Limit: f.Limit("a"), ClientID: id(client), Cost: 1},
					{Limit: f.Limit("b"), ClientID: id(client), Cost: 1},
				}
				if n%2 == 0 {
					uses = uses[:1]
				}
				if assert.True(t, Take(uses)) {
					taken[client].Add(1)
				}
			}
		})
	}
	stop := make(chan struct{})
	loop := func(do func(n int)) {
		others.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					do(n)
				}
			}
		})
	}
	loop(func(n int) {
		next := a
		next.Settings = settingsOf(1000+int64(n%5), time.Duration(n%7+1)*24*time.Hour)
		next.Tiers = map[string]gcra.Settings{"gold": settingsOf(1000+int64(n%3), time.Duration(n%5+1)*24*time.Hour)}
		other := next
		other.Name = "b"
		o := f.o
		o.Limits = []LimitOptions{next, other}
		r, err := f.Prepare(context.Background(), o)
		if assert.NoError(t, err) {
			r.Apply()
		}
	})
	loop(func(int) { assert.NoError(t, f.flush(context.Background(), 0)) })
	loop(func(n int) {
		for _, l := range f.Limits() {
			l.table.Reap(n%16, 0)
			l.table.Renew(nil)
		}
	})
	takers.Wait()
	close(stop)
	others.Wait()
	for n := range clients {
		snap, err := f.Get("a", id(n))
		require.NoError(t, err)
		low, high := 1000-taken[n].Load(), 1004-taken[n].Load()
		require.LessOrEqual(t, low, snap.Tokens)
		require.LessOrEqual(t, snap.Tokens, high)
	}
}
