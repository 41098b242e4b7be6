package limiter

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// tries is how often a race between two steps is run: enough for each to come amid the other.
const tries = 5_000

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

// A take that comes while the reaper drops the bucket isn't lost.
func TestTakeAgainstTheReaper(t *testing.T) {
	f := newFixture(t)
	for range tries {
		f.table.Take("a", 1, f.clock.Monotonic())
		f.clock.advance(time.Minute) // full
		f.cleanAll()
		together(
			f.reapAll,
			func() { f.Take("a") },
		)
		require.Equal(t, int64(9), f.tokens("a"))
		f.cleanAll()
		f.clock.advance(time.Minute)
	}
}

// A take that comes while a flush reads the bucket is in this flush or in the next one. The moment
// between the two is short, so there are many buckets.
func TestTakesAgainstTheFlush(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Settings = gcra.Settings{Capacity: 300_000, Refill: gcra.Refill{Amount: 1, Per: time.Hour}}
	f.reopen(o)
	clients := make([]string, 500)
	for i := range clients {
		clients[i] = fmt.Sprintf("client-%03d", i)
	}
	everybody := func() {
		for _, id := range clients {
			f.Take(id)
		}
	}
	for range 100 {
		everybody()
		together(f.mustFlush, everybody)
		f.mustFlush()
		rows := f.store.all()
		for _, id := range clients {
			require.Equal(t, float64(f.tokens(id)), rows[id].Tokens)
		}
	}
}

// Tokens that are taken while the bucket is changed are spent from the new one. No token is won or
// lost.
func TestTakesAgainstChangesAreExact(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	const capacity, each = 90_000, 20_000
	_, err := f.Create(ctx, "a", Change{Capacity: ptr(int64(capacity)), Refill: &gcra.Refill{Amount: 1, Per: time.Hour}})
	require.NoError(t, err)
	stop := make(chan struct{})
	var admin sync.WaitGroup
	admin.Go(func() {
		for n := int64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			_, err := f.Patch(ctx, "a", Change{Refill: &gcra.Refill{Amount: 1, Per: time.Duration(n%7+1) * time.Hour / 2}})
			assert.NoError(t, err)
		}
	})
	var takers sync.WaitGroup
	for range 4 {
		takers.Go(func() {
			for range each {
				assert.True(t, f.Take("a").Allowed)
			}
		})
	}
	takers.Wait()
	close(stop)
	admin.Wait()
	assert.Equal(t, int64(capacity-4*each), f.tokens("a"))
}

// If many requests of a new client come at once, they share one bucket, which is counted once.
func TestAdmissionIsCountedOnce(t *testing.T) {
	f := newFixture(t)
	for range 500 {
		var clients sync.WaitGroup
		start := make(chan struct{})
		for range 8 {
			clients.Go(func() { <-start; f.Take("new") })
		}
		close(start)
		clients.Wait()
		require.Equal(t, int64(2), f.tokens("new"))
		require.Equal(t, int64(1), f.Stats().Buckets)
		require.NoError(t, errorOf(f.Delete(context.Background(), "new")))
		require.Zero(t, f.Stats().Buckets)
	}
}

// While pages grow, split and merge, takers of known clients spend exactly what there is, and all
// of it is dirty.
func TestTakesWhilePagesMove(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Settings, o.MaxBuckets = gcra.Settings{Capacity: 300_000, Refill: gcra.Refill{Amount: 1, Per: time.Hour}}, 1<<20
	f.reopen(o)
	const known, each, crowd = 50, 20_000, 30_000
	var takers, crowds sync.WaitGroup
	done := make(chan struct{})
	for taker := range 2 {
		takers.Go(func() {
			for n := range each {
				assert.True(t, f.Take(fmt.Sprint("known-", (n+taker)%known)).Allowed)
			}
		})
	}
	crowds.Go(func() {
		for round := 0; ; round++ {
			for n := range crowd {
				select {
				case <-done:
					return
				default:
				}
				f.Take(fmt.Sprint("crowd-", n))
			}
			for n := range crowd {
				f.table.Remove(fmt.Sprint("crowd-", n))
			}
			f.reapAll() // merges pages
		}
	})
	crowds.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				assert.NoError(t, f.flush(context.Background(), 0))
			}
		}
	})
	takers.Wait()
	close(done)
	crowds.Wait()
	f.mustFlush()
	rows, spent := f.store.all(), int64(0)
	for n := range known {
		id := fmt.Sprint("known-", n)
		spent += 300_000 - f.tokens(id)
		require.Equal(t, float64(f.tokens(id)), rows[id].Tokens, "no spending stays behind")
	}
	require.Equal(t, int64(2*each), spent)
}
