package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"gopher-equalizer/limiter"
)

// Outcome is what happens to a batch whose Write was made to fail.
type Outcome int

const (
	// Lost: the batch is not applied, and never will be.
	Lost Outcome = iota
	// Applied: the batch is applied, although the caller gets an error.
	Applied
	// AppliedLate: the batch is applied just before the next call to the store, as by a commit
	// that was still on its way.
	AppliedLate
)

// Fault is what happens to one Write instead.
type Fault struct {
	// Before, if not nil, is called first. A test can block in it: the caller then has read its
	// values, and hasn't stored them yet.
	Before func(ctx context.Context, batch limiter.Batch)
	// Outcome is what happens to the batch, if Err is not nil.
	Outcome Outcome
	// Err is the error for the caller; nil: the store's own.
	Err error
}

// InDoubt is the fault of a Write that breaks off around the commit.
func InDoubt(outcome Outcome) Fault {
	return Fault{Outcome: outcome, Err: fmt.Errorf("a fault on demand: %w", limiter.ErrInDoubt)}
}

// Faulty wraps a store and fails on demand.
type Faulty struct {
	store limiter.Store

	mu     sync.Mutex
	faults []Fault
	down   error
	late   []limiter.Batch
	writes int
}

// NewFaulty wraps s, and owns it from then on.
func NewFaulty(s limiter.Store) *Faulty { return &Faulty{store: s} }

// Queue gives these faults to the next Writes, one each.
func (f *Faulty) Queue(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// SetDown makes every call fail with err, applying nothing, until it is set to nil.
func (f *Faulty) SetDown(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
}

// Writes counts the calls of Write, failed ones too.
func (f *Faulty) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

// Load implements limiter.Store.
func (f *Faulty) Load(ctx context.Context, namespace uint32, yield func(limiter.Record) error) error {
	if err := f.arrive(ctx); err != nil {
		return err
	}
	return f.store.Load(ctx, namespace, yield)
}

// Get implements limiter.Store.
func (f *Faulty) Get(ctx context.Context, key limiter.Key) (limiter.Record, bool, error) {
	if err := f.arrive(ctx); err != nil {
		return limiter.Record{}, false, err
	}
	return f.store.Get(ctx, key)
}

// Namespaces implements limiter.Store.
func (f *Faulty) Namespaces(ctx context.Context) ([]limiter.Namespace, error) {
	if err := f.arrive(ctx); err != nil {
		return nil, err
	}
	return f.store.Namespaces(ctx)
}

// Write implements limiter.Store, with the next fault of the Queue.
func (f *Faulty) Write(ctx context.Context, batch limiter.Batch) error {
	if err := f.arriveToWrite(ctx); err != nil {
		return err
	}
	fault := f.next()
	if fault.Before != nil {
		fault.Before(ctx, batch)
	}
	if fault.Err == nil {
		return f.store.Write(ctx, batch)
	}
	switch fault.Outcome {
	case Lost:
	case Applied:
		if err := f.store.Write(ctx, batch); err != nil {
			return err
		}
	case AppliedLate:
		f.mu.Lock()
		defer f.mu.Unlock()
		batch.Puts, batch.Deletes = slices.Clone(batch.Puts), slices.Clone(batch.Deletes)
		f.late = append(f.late, batch)
	}
	return fault.Err
}

// Close implements limiter.Store. A late batch is lost then.
func (f *Faulty) Close() error { return f.store.Close() }

func (f *Faulty) arriveToWrite(ctx context.Context) error {
	f.mu.Lock()
	f.writes++
	f.mu.Unlock()
	return f.arrive(ctx)
}

// arrive fails while the store is down. Otherwise it applies a late batch.
func (f *Faulty) arrive(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return f.down
	}
	for len(f.late) > 0 {
		if err := f.store.Write(ctx, f.late[0]); err != nil {
			return err
		}
		f.late = f.late[1:]
	}
	return nil
}

// next takes the next fault; the zero Fault if none is queued.
func (f *Faulty) next() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.faults) == 0 {
		return Fault{}
	}
	fault := f.faults[0]
	f.faults = f.faults[1:]
	return fault
}
