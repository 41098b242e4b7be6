package netconn

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// evictedShare is the part of the waiting connections that is closed at once to make room: one in
// so many. With many connections, it takes a while to find those that wait.
const evictedShare = 64

// room bounds how many clients there are.
type room struct {
	// max is the bound; 0 is none. It changes with the registry's mu held.
	max atomic.Int64
	// crowded reports whether somebody waits for room, or did when room was last asked for.
	crowded atomic.Bool
	// waits counts how often somebody had to wait.
	waits atomic.Int64
	// freed is closed when there may be room; nil while nobody waits. searched reports whether no
	// connection is known to wait for a request. The registry's mu guards both.
	freed    chan struct{}
	searched bool
}

// AwaitRoom returns when there are fewer connections than the bound, or when stop is closed. While
// somebody waits here, connections that wait for a request are closed: see evict.
func (all *Clients) AwaitRoom(stop <-chan struct{}) {
	if all.max.Load() == 0 {
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
func (all *Clients) HasRoom() bool {
	most := all.Most()
	return most == 0 || all.Len() < most
}

// Most is how many connections there may be; 0 is no bound.
func (all *Clients) Most() int { return int(all.max.Load()) }

// bound sets the bound, and has those who wait for room ask again.
func (all *Clients) bound(most int) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.max.Store(int64(most))
	if most == 0 {
		all.crowded.Store(false) // Nobody asks for room any more, who would see that there is.
	}
	all.searched = false
	all.free()
}

// Crowded reports whether somebody waits for room, so that connections should end with their
// request.
func (all *Clients) Crowded() bool { return all.crowded.Load() }

// Waits is how often somebody had to wait for room.
func (all *Clients) Waits() int64 { return all.waits.Load() }

// enter returns nil if there is room. Else freed is closed when it is worth asking again, and idle
// are the connections that wait for a request, unless they were searched already.
func (all *Clients) enter(first bool) (freed <-chan struct{}, idle []idler) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if most := all.Most(); most == 0 || len(all.conns) < most {
		if first {
			all.crowded.Store(false)
		}
		return nil, nil
	}
	if first {
		all.waits.Add(1)
	}
	// From here on, a connection that becomes idle makes room by itself. The others are found now.
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

// evicted is how many of that many waiting connections are closed at once.
func evicted(idle int) int { return min(idle, 1+idle/evictedShare) }

// idler is a connection that waits for a request.
type idler struct {
	conn *Client
	// since is when the wait began by the registry's clock, stage the connection's stage in it.
	since int64
	stage int32
	// queue is how many wait to shake hands, if it is one of them, at its address.
	queue int
}

func (all *Clients) idlers() (idle []idler) {
	for c := range all.each() {
		stage, limits := c.stage.Load(), c.limits.Load()
		limit := int64(limits.Header)
		switch stage {
		case fresh:
		case kept:
			limit = int64(limits.Idle)
		default:
			continue
		}
		since, queue := c.reading.due.Load()-limit, 0
		if s := c.shaking.Load(); s != nil {
			since = s.due - limit
			if a := s.awaits.Load(); a != nil {
				queue = a.queue()
			}
		}
		switch {
		case c.several != nil:
			since = c.idleSince.Load()
		case since+limit == 0:
			since = all.now.Load() // It is about to wait.
		}
		idle = append(idle, idler{c, since, stage, queue})
	}
	return idle
}

// evict closes the connections that have waited longest, unless a request is on its way. Those that
// wait for their turn to shake hands are closed first, where most wait at one address.
func (all *Clients) evict(idle []idler) {
	slices.SortFunc(idle, func(a, b idler) int {
		return cmp.Or(cmp.Compare(b.queue, a.queue), cmp.Compare(a.since, b.since))
	})
	for _, i := range idle[:evicted(len(idle))] {
		if i.conn.stage.CompareAndSwap(i.stage, leaving) {
			i.conn.leaveWait()
		}
	}
}

// leaveWait ends the wait of a client whose stage has become leaving.
func (c *Client) leaveWait() {
	c.wakeRead()
	if s := c.shaking.Load(); s != nil {
		close(s.evicted) // A stage becomes leaving once within a handshake.
	}
}

// makeRoom tells whoever waits for room that a connection is about to wait for a request.
func (c *Client) makeRoom() {
	if all := c.all; all.crowded.Load() {
		all.mu.Lock()
		defer all.mu.Unlock()
		all.searched = false
		all.free()
	}
}

// left notes that a connection is gone.
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

// free wakes those who wait for room. The caller holds the registry's mu.
func (r *room) free() {
	if r.freed != nil {
		close(r.freed)
		r.freed = nil
	}
}
