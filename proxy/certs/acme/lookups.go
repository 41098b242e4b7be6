package acme

import (
	"context"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"golang.org/x/time/rate"
)

const (
	// lookupsPerSecond is how often the store is asked for challenges, whoever wants them.
	lookupsPerSecond = 10
	// lookupTime bounds one lookup: somebody waits for it.
	lookupTime = 2 * time.Second
)

// lookups find challenges in the store. All who ask between two lookups share the next one. So the
// store isn't asked often, and nobody can keep an authority from its answer by asking more often.
type lookups struct {
	// look looks for the challenges of hosts.
	look func(ctx context.Context, hosts map[string]bool) map[string]acme.Challenge
	pace *rate.Limiter

	mu sync.Mutex
	// next is the lookup that hasn't begun; nil if nobody waits for one.
	next *lookup
}

// lookup is one that several may wait for.
type lookup struct {
	// hosts are those that are wanted. They don't change once it has begun.
	hosts map[string]bool
	// done is closed once found is there.
	done  chan struct{}
	found map[string]acme.Challenge
}

func newLookups(look func(context.Context, map[string]bool) map[string]acme.Challenge) *lookups {
	return &lookups{look: look, pace: rate.NewLimiter(lookupsPerSecond, 1)}
}

// find returns a host's challenge, by a lookup that begins after the call.
func (all *lookups) find(ctx context.Context, host string) (c acme.Challenge, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	l, first := all.join(host)
	if first {
		all.run(ctx, l)
	}
	select {
	case <-l.done:
		c, ok = l.found[host]
	case <-ctx.Done():
	}
	return c, ok
}

// join asks for a host in the next lookup. The first who joins one is to run it.
func (all *lookups) join(host string) (l *lookup, first bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.next == nil {
		all.next, first = &lookup{hosts: map[string]bool{}, done: make(chan struct{})}, true
	}
	all.next.hosts[host] = true
	return all.next, first
}

func (all *lookups) run(ctx context.Context, l *lookup) {
	defer close(l.done)
	err := all.pace.Wait(ctx)
	all.mu.Lock()
	all.next = nil
	all.mu.Unlock()
	if err == nil {
		l.found = all.look(ctx, l.hosts)
	}
}
