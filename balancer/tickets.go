package balancer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"gopher-equalizer/store/blob"
)

// ticketKeyKey is where a store has the key of tickets.
const ticketKeyKey = "sticky/key"

// Tickets have the key that the tickets of all pools are made with. All methods may be called at
// the same time.
type Tickets struct {
	mu  sync.Mutex
	key []byte
	// kept reports whether a store has the key.
	kept bool
	// pools have tickets that were made with it.
	pools map[*Pool]struct{}
}

// NewTickets makes Tickets with a key of this process's own.
func NewTickets() *Tickets { return &Tickets{key: newTicketKey(), pools: make(map[*Pool]struct{})} }

func newTicketKey() []byte {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // It never fails.
	return key
}

// Keep takes over the key that is in a store, so that tickets count over restarts, and for all
// processes with the same store. If there is none, the store gets that of this process. After a
// call that succeeded, further ones do nothing.
func (t *Tickets) Keep(ctx context.Context, in Blobs) error {
	t.mu.Lock()
	own, kept := t.key, t.kept
	t.mu.Unlock()
	if kept {
		return nil
	}
	stored, err := storedTicketKey(ctx, in, own)
	if err != nil {
		return fmt.Errorf("the key of sticky cookies: %w", err)
	}
	for _, p := range t.use(stored) {
		p.mu.Lock()
		p.publish()
		p.mu.Unlock()
	}
	return nil
}

// use makes tickets with a key that is stored from now on, and returns the pools that have others.
func (t *Tickets) use(stored []byte) (changed []*Pool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(t.key, stored) {
		for p := range t.pools {
			changed = append(changed, p)
		}
	}
	t.key, t.kept = stored, true
	return changed
}

// storedTicketKey is the key that a store has, or now has. What is there and is no key is replaced.
func storedTicketKey(ctx context.Context, in Blobs, own []byte) ([]byte, error) {
	for {
		stored, at, err := in.Get(ctx, ticketKeyKey)
		switch {
		case err != nil && !errors.Is(err, blob.ErrNotFound):
			return nil, err
		case len(stored) == len(own):
			return stored, nil
		}
		if _, err = in.Put(ctx, ticketKeyKey, own, at); !errors.Is(err, blob.ErrRevision) {
			return own, err
		}
	}
}

// of is the ticket of the backend with an id.
func (t *Tickets) of(id string) Ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	return newTicket(t.key, id)
}

// attach has a pool make new tickets when the key is another one.
func (t *Tickets) attach(p *Pool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pools[p] = struct{}{}
}

// detach forgets a pool.
func (t *Tickets) detach(p *Pool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pools, p)
}
