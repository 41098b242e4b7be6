package netconn

import (
	"container/list"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// handshakes bounds the TLS handshakes of clients, so that those who only connect leave processors
// and memory to those who have been served for long. A handshake beyond a bound waits, within the
// time that the client has for its first request.
type handshakes struct {
	// computing bounds those that compute at a time. A client that is slow or silent computes
	// nothing, so it keeps nobody from it.
	computing turns

	mu sync.Mutex
	// perAddress bounds those of one address that have begun; 0 doesn't. of has the addresses.
	perAddress int
	of         map[netip.Addr]*addressTurns
}

// addressTurns are the turns of an address, while users hold or await one.
type addressTurns struct {
	turns
	users int
}

// shaking is a client's handshake, from when it asks for its turn.
type shaking struct {
	// due is when it is overdue.
	due int64
	// evicted is closed when the client must leave its place to others.
	evicted chan struct{}
	// awaits are the turns of its address while it waits for one; else nil.
	awaits atomic.Pointer[addressTurns]
}

// errCrowded is the error of a handshake whose turn didn't come in time.
var errCrowded = errors.New("too many TLS handshakes at once: its turn didn't come in time")

// use sets the bounds; 0 is none. Those that hold a turn keep it.
func (h *handshakes) use(computing, perAddress int) {
	h.computing.bound(computing)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.perAddress = perAddress
	for _, a := range h.of {
		a.bound(perAddress)
	}
}

// begin waits until a client may begin a handshake, for limit at most; 0 is for ever. The client
// must call done at its end.
func (h *handshakes) begin(client netip.Addr, s *shaking, limit time.Duration) (done func(), err error) {
	who := network(client)
	a := h.join(who)
	s.awaits.Store(a)
	err = a.take(limit, s.evicted)
	s.awaits.Store(nil)
	if err != nil {
		h.leave(who, a)
		return nil, err
	}
	return func() {
		a.giveBack()
		h.leave(who, a)
	}, nil
}

func (h *handshakes) join(who netip.Addr) *addressTurns {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.of[who]
	if a == nil {
		if h.of == nil {
			h.of = map[netip.Addr]*addressTurns{}
		}
		a = &addressTurns{}
		a.bound(h.perAddress)
		h.of[who] = a
	}
	a.users++
	return a
}

func (h *handshakes) leave(who netip.Addr, a *addressTurns) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.users--; a.users == 0 {
		delete(h.of, who)
	}
}

// network is what tells clients apart: an IPv4 address, or the /64 of an IPv6 one.
func network(addr netip.Addr) netip.Addr {
	if prefix, err := addr.WithZone("").Prefix(64); err == nil && addr.Is6() {
		return prefix.Addr()
	}
	return addr
}

// turns are a number of turns, which those who wait get in their order.
type turns struct {
	mu sync.Mutex
	// most is how many there are; 0 doesn't bound them. taken is how many are held.
	most, taken int
	// waiting has a chan struct{} for each who waits, which is closed when the turn has come.
	waiting list.List
}

// bound sets how many turns there are.
func (t *turns) bound(most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most = most
	t.pass()
}

// take waits for a turn, for limit at most; 0 is for ever. The wait also ends once evicted is
// closed, with ErrTimeout.
func (t *turns) take(limit time.Duration, evicted <-chan struct{}) error {
	wait := t.ask()
	if wait == nil {
		return nil
	}
	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	err := errCrowded
	select {
	case <-wait.Value.(chan struct{}):
		return nil
	case <-late:
	case <-evicted:
		err = ErrTimeout
	}
	if t.forget(wait) {
		return err
	}
	return nil // It came at the last moment.
}

// queue is how many wait.
func (t *turns) queue() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting.Len()
}

// ask takes a turn and returns nil, or the element of waiting that is to get one.
func (t *turns) ask() *list.Element {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free() && t.waiting.Len() == 0 {
		t.taken++
		return nil
	}
	return t.waiting.PushBack(make(chan struct{}))
}

// forget ends a wait, unless its turn has come.
func (t *turns) forget(wait *list.Element) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.waiting.Len()
	t.waiting.Remove(wait) // It does nothing if pass has removed it.
	return t.waiting.Len() < before
}

// giveBack gives a turn to whoever waits.
func (t *turns) giveBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken--
	t.pass()
}

// pass gives the turns that are free to those who wait. The caller holds mu.
func (t *turns) pass() {
	for t.free() && t.waiting.Len() > 0 {
		t.taken++
		close(t.waiting.Remove(t.waiting.Front()).(chan struct{}))
	}
}

func (t *turns) free() bool { return t.most == 0 || t.taken < t.most }
