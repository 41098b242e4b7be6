package lease

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// waits are takers that wait for what the ledger replies about their clients.
type waits struct {
	mu sync.Mutex
	of map[string]*wait
}

// wait is for one client.
type wait struct {
	replied chan struct{}
	need    int64 // tokens that all who wait want together
	takers  int
}

// join adds a taker.
func (w *waits) join(clientID string, cost int64) *wait {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.of[clientID]
	if one == nil {
		if w.of == nil {
			w.of = map[string]*wait{}
		}
		one = &wait{replied: make(chan struct{})}
		w.of[strings.Clone(clientID)] = one // The client_id may alias a buffer.
	}
	one.need += cost
	one.takers++
	return one
}

// leave takes a taker away that doesn't wait any more.
func (w *waits) leave(clientID string, one *wait, cost int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	one.need -= cost
	one.takers--
	if one.takers == 0 && w.of[clientID] == one {
		delete(w.of, clientID)
	}
}

// need is how many tokens are waited for.
func (w *waits) need(clientID string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.of[clientID]; one != nil {
		return one.need
	}
	return 0
}

// clients are those for whom takers wait.
func (w *waits) clients() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.of))
}

// areThere reports whether anybody waits.
func (w *waits) areThere() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.of) > 0
}

// reply wakes the takers that wait for a client.
func (w *waits) reply(clientID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.of[clientID]; one != nil {
		delete(w.of, clientID)
		close(one.replied)
	}
}

// Wait waits for the ledger's next reply about a client that Want has reported to be worth it, up
// to a deadline, by the time that a timer takes. It reports whether there was one. The caller then
// tries again.
func (l *Limit) Wait(clientID string, cost int64, deadline time.Time) (replied bool) {
	one := l.waits.join(clientID, cost)
	l.replica.hurry()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-one.replied:
		return true
	case <-timer.C:
		l.waits.leave(clientID, one, cost)
		return false
	}
}

// Deadline is until when a taker that comes now waits.
func (l *Limit) Deadline() time.Time { return time.Now().Add(l.o.Load().Wait) }

// Waited counts a taker that has waited, by whether that was in vain: the ledger didn't reply in
// time.
func (l *Limit) Waited(inVain bool) {
	l.replica.counts.waits.Add(1)
	if inVain {
		l.replica.counts.waitsInVain.Add(1)
	}
}

// hurry has a round begin for those who wait.
func (r *Replica) hurry() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
