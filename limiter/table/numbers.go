package table

import (
	"maps"
	"sync"
	"sync/atomic"

	"gopher-equalizer/limiter/gcra"
)

// numbers are the rates of the buckets that follow their limit's settings: of unmanaged ones, and
// of those in a tier. A reload publishes other ones. The buckets follow one by one, whenever
// somebody meets them: see renew.go. Each word has the era of the numbers that it is counted under,
// which is one bit. So two eras are there at most: a reload first has all buckets follow the one
// before it.
//
// Whoever reads a word reads the numbers after it. If their era is the word's, the word is counted
// under them, or it has changed since, and a compare-and-swap fails. A taker that stalls over two
// reloads can find the very same word again. Then this one take is admitted and priced under the
// numbers of two reloads ago. For that the words must agree to the nanosecond: by chance, or
// because the refill is the same, and the capacity went down by as many tokens as others have
// spent.
type numbers struct {
	defaults gcra.Rate // of unmanaged buckets
	era      int64     // eraBit or 0
	// oldLimit are the marks of a bucket whose limit is of the other era.
	oldLimit uint64

	tiers  atomic.Pointer[map[string]*gcra.Rate] // also those that are gone, if anybody asked
	adding sync.Mutex

	before atomic.Pointer[numbers] // nil: no bucket is counted under them any more
	clock  Clock
	at     atomic.Int64 // when these began; unread until somebody needs it
}

const unread = -1

// Clock tells the time in nanoseconds: a limiter.Clock.
type Clock interface{ Monotonic() int64 }

func newNumbers(defaults gcra.Settings, tiers map[string]gcra.Settings) *numbers {
	n := &numbers{defaults: *gcra.NewRate(defaults), oldLimit: uint64(Limited) | limitEra}
	rates := map[string]*gcra.Rate{}
	for name, settings := range tiers {
		rates[name] = gcra.NewRate(settings).In(name)
	}
	n.tiers.Store(&rates)
	return n
}

// follow makes them those that come after others.
func (n *numbers) follow(before *numbers, clock Clock) {
	n.era = before.era ^ eraBit
	n.oldLimit = before.oldLimit ^ limitEra
	n.clock = clock
	n.at.Store(unread)
	n.before.Store(before)
	for name, r := range *before.tiers.Load() {
		if n.tier(name).Settings == r.Settings {
			(*n.tiers.Load())[name] = r // So that it is seen to be the same.
		}
	}
}

// moment is when they began. It is read once they are published. So nobody who spent under those
// before had read the clock later.
func (n *numbers) moment() int64 {
	if at := n.at.Load(); at != unread {
		return at
	}
	n.at.CompareAndSwap(unread, n.clock.Monotonic())
	return n.at.Load()
}

// of is the present rate of a bucket that has this one in its entry's list.
func (n *numbers) of(listed *gcra.Rate) *gcra.Rate {
	switch {
	case listed == nil:
		return &n.defaults
	case listed.Tier == "":
		return listed
	}
	//mutant:parameter1 a-tier-keeps-its-former-numbers
	return n.tier(listed.Tier)
}

// tier is the rate of a tier's buckets. If there is no such tier any more, they follow the limit's
// own numbers, and keep its name: it may come back.
func (n *numbers) tier(name string) *gcra.Rate {
	if r := (*n.tiers.Load())[name]; r != nil {
		return r
	}
	n.adding.Lock()
	defer n.adding.Unlock()
	present := *n.tiers.Load()
	if r := present[name]; r != nil {
		return r
	}
	more := maps.Clone(present)
	more[name] = n.defaults.In(name)
	n.tiers.Store(&more)
	return more[name]
}

// counts reports whether a bucket with this word and these marks is counted under these numbers.
func (n *numbers) counts(word int64, marks uint64) bool {
	return word&eraBit == n.era && !n.hasOldLimit(marks)
}

// hasOldLimit reports whether a bucket with these marks has a limit of the other era.
func (n *numbers) hasOldLimit(marks uint64) bool {
	return marks&(uint64(Limited)|limitEra) == n.oldLimit
}

// since is an arrival time, or a limit, under these numbers, which was one under those before.
func (n *numbers) since(before *numbers, listed *gcra.Rate, tat int64, fills bool) int64 {
	return before.of(listed).Since(tat, n.moment(), n.of(listed), fills)
}
