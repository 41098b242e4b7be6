package limiter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/table"
)

// writer is the only way to the store. It orders the writes, and knows which one is in doubt.
type writer struct {
	store   Store
	timeout func() time.Duration // of a call
	logger  zerolog.Logger

	writing writeLock
	unnoted []Namespace // under writing: they go with the next batch
	applied applied
	doubt   atomic.Pointer[doubtedWrite] // written under writing
	failure atomic.Pointer[string]       // of the last call; nil: it succeeded
}

// doubtedWrite is an admin write that the store may or may not have. There is at most one, since
// nothing else is written before it is settled.
type doubtedWrite struct {
	buckets *table.Table // that it changes; nil if their limit has left
	keys    []Key        // of the rows, in order
	// follow gets the first of the rows that the store has: a write is there whole, or not at all.
	// If it was stored, follow does the same in memory.
	follow func(found Record, ok bool)
}

// covers reports whether the write changes a client's bucket.
func (d *doubtedWrite) covers(buckets *table.Table, clientID string) bool {
	_, found := slices.BinarySearchFunc(d.keys, clientID, func(k Key, id string) int { return strings.Compare(k.ClientID, id) })
	return d.buckets == buckets && found
}

// lockSettled takes the write lock and settles the admin write in doubt, if there is one: it asks
// the store, whose response outwaits what may be left of the broken call. On an error the lock
// isn't held.
func (w *writer) lockSettled(ctx context.Context) error {
	if err := w.writing.lock(ctx); err != nil {
		return err
	}
	if err := w.settle(ctx); err != nil {
		w.writing.unlock()
		return err
	}
	for _, do := range w.applied.take() {
		do()
	}
	return nil
}

// applied is what a reload leaves to do under the write lock, for which it doesn't wait.
type applied struct {
	mu   sync.Mutex
	todo []func()
}

func (a *applied) add(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.todo = append(a.todo, do)
}

func (a *applied) take() (todo []func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	todo, a.todo = a.todo, nil
	return todo
}

// noteLater has a namespace noted with the next batch, as it is now. The caller holds the write
// lock.
func (w *writer) noteLater(n Namespace) {
	without := slices.DeleteFunc(w.unnoted, func(other Namespace) bool { return other.ID == n.ID })
	w.unnoted = append(without, n)
}

// settle finds out whether the store has the write in doubt.
func (w *writer) settle(ctx context.Context) error {
	d := w.doubt.Load()
	if d == nil {
		return nil
	}
	//mutant:drop no-barrier-after-an-ambiguous-commit
	if err := w.readAgain(ctx, d); err != nil {
		return err
	}
	w.doubt.Store(nil)
	return nil
}

func (w *writer) readAgain(ctx context.Context, d *doubtedWrite) error {
	found, ok, err := w.store.Get(ctx, d.keys[0])
	w.noteStore(err)
	if err != nil {
		return fmt.Errorf("reading again what a broken write left: %w", err)
	}
	d.follow(found, ok)
	return nil
}

// write sends a batch to the store, unless it is empty. The caller holds the write lock.
func (w *writer) write(ctx context.Context, batch Batch) error {
	if batch.empty() {
		return nil
	}
	if batch.Namespaces == nil {
		batch.Namespaces = w.unnoted
	}
	err := w.store.Write(ctx, batch)
	w.noteStore(err)
	if err == nil {
		w.unnoted = nil
	}
	return err
}

// writeBucket writes what an operator changes. If it is unknown whether the store took it, the
// store is asked later, and inDoubt follows what it has. The caller holds the write lock.
func (w *writer) writeBucket(ctx context.Context, batch Batch, inDoubt *doubtedWrite) error {
	err := w.write(ctx, batch)
	if errors.Is(err, ErrInDoubt) {
		w.doubt.Store(inDoubt)
	}
	return err
}

// note writes how namespaces are. The caller holds the write lock.
func (w *writer) note(ctx context.Context, namespaces []Namespace) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout())
	defer cancel()
	return w.write(ctx, Batch{Namespaces: namespaces})
}

// noteStore notes the result of a call to the store, and logs when the store goes down or up.
func (w *writer) noteStore(err error) {
	if err == nil {
		if w.failure.Swap(nil) != nil {
			w.logger.Info().Msg("the store is up again")
		}
		return
	}
	why := err.Error()
	last := w.failure.Swap(&why)
	if last == nil || errors.Is(err, ErrMigrateTo) && *last != why { // Someone has to do something.
		w.logger.Error().Err(err).Msg("the store is down: traffic goes on, admin writes are refused, " +
			"and spending is stored when it is back")
	}
}

// writeLock orders the writes to the store. It is a channel, since a mutex can't be waited for with
// a deadline. It is taken in the order of arrival, so an admin write waits for one batch at most.
type writeLock chan struct{}

func (l writeLock) lock(ctx context.Context) error {
	if ctx.Err() == nil { // Otherwise select might choose either.
		select {
		case l <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("waiting for the write before it: %w", context.Cause(ctx))
}

func (l writeLock) unlock() { <-l }
