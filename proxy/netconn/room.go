package netconn

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// evictedShare is which part of the waiting connections is closed at once to make room: looking
// for them takes a while where there are many.
const evictedShare = 64

// room is what Clients know of the bound on how many they are.
type room struct {
	// max is the bound; 0 is none.
	max int
	// crowded says that somebody waits for a place, or did when one was last asked for.
	crowded atomic.Bool
	// waits counts how often somebody had to.
	waits atomic.Int64
	// freed is closed when there may be a place; nil while nobody waits. searched says that no
	// connection waits for a request, as far as it is known. Both are guarded by the registry's mu.
	freed    chan struct{}
	searched bool
}

// AwaitRoom returns when there are fewer connections than the bound, or when stop is closed. While
// somebody waits here, those that wait for a request longest are closed to make room.
func (all *Clients) AwaitRoom(stop <-chan struct{}) {
	if all.max == 0 {
		return
	}
	for first := true; ; first = false {
		freed, idle := all.enter(first)
		if freed == nil {
			return
		}
		all.evict(idle)
		select {
		case <-freed:
		case <-stop:
			return
		}
	}
}

// HasRoom reports whether there are fewer connections than the bound.
func (all *Clients) HasRoom() bool { return all.max == 0 || all.Len() < all.max }

// Crowded reports whether somebody waits for a place, so that connections had better end with
// their request.
func (all *Clients) Crowded() bool { return all.crowded.Load() }

// Waits counts how often somebody had to wait for a place.
func (all *Clients) Waits() int64 { return all.waits.Load() }

// enter returns nil if there is room. Else freed tells when to ask again, and idle are the
// connections that wait for a request, if it is worth looking at them.
func (all *Clients) enter(first bool) (freed <-chan struct{}, idle []idler) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.conns) < all.max {
		if first {
			all.crowded.Store(false)
		}
		return nil, nil
	}
	if first {
		all.waits.Add(1)
	}
	// A connection that goes idle from here on offers itself. One that was before is found now.
	if !all.crowded.Swap(true) {
		all.searched = false
	}
	if all.freed == nil {
		all.freed = make(chan struct{})
	}
	if !all.searched {
		idle = all.idlers()
		all.searched = len(idle) <= evicted(len(idle))
	}
	return all.freed, idle
}

// evicted is how many of so many waiting connections are closed at once.
func evicted(idle int) int { return min(idle, 1+idle/evictedShare) }

// idler is a connection that waits for a request since then, by the registry's clock.
type idler struct {
	conn  *Client
	since int64
	stage int32
}

func (all *Clients) idlers() (idle []idler) {
	limits := map[int32]int64{fresh: int64(all.limits.Header), kept: int64(all.limits.Idle)}
	for c := range all.each() {
		stage := c.stage.Load()
		limit, waits := limits[stage]
		if !waits {
			continue
		}
		since := c.reading.due.Load() - limit
		if since+limit == 0 {
			since = all.now.Load() // It is about to wait.
		}
		idle = append(idle, idler{c, since, stage})
	}
	return idle
}

// evict has those close that have waited longest, unless a request of theirs is under way.
func (all *Clients) evict(idle []idler) {
	slices.SortFunc(idle, func(a, b idler) int { return cmp.Compare(a.since, b.since) })
	for _, i := range idle[:evicted(len(idle))] {
		if i.conn.stage.CompareAndSwap(i.stage, leaving) {
			i.conn.wakeRead()
		}
	}
}

// makeRoom offers a connection that is about to wait for a request to who waits for a place.
func (c *Client) makeRoom() {
	if all := c.all; all.crowded.Load() {
		all.mu.Lock()
		defer all.mu.Unlock()
		all.searched = false
		all.free()
	}
}

// left says that a connection is gone.
func (all *Clients) left() {
	if all.crowded.Load() {
		all.mu.Lock()
		all.free()
		all.mu.Unlock()
	}
	if all.closing.Load() {
		all.lookAgain()
	}
}

// free tells those who wait for a place. The caller holds the registry's mu.
func (r *room) free() {
	if r.freed != nil {
		close(r.freed)
		r.freed = nil
	}
}
