package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gopher-equalizer/limiter"
)

// Outcome is what becomes of a batch whose Write was made to fail.
type Outcome int

const (
	// Lost: the batch is not applied, and never will be.
	Lost Outcome = iota
	// Applied: the batch is applied, whatever the caller was told.
	Applied
	// AppliedLate: the batch is applied just before the next call to the store, as by a commit
	// that was still on its way.
	AppliedLate
)

// Fault is what happens to one Write, instead of what would have happened.
type Fault struct {
	// Before, if not nil, is called first. A test can block in it: the caller then has read its
	// values, and not yet stored them.
	Before func(ctx context.Context, batch limiter.Batch)
	// Outcome is what becomes of the batch, if Err is not nil.
	Outcome Outcome
	// Err is what the caller is told; nil: what the store says.
	Err error
}

// InDoubt is the fault of a Write that breaks off around the commit.
func InDoubt(outcome Outcome) Fault {
	return Fault{Outcome: outcome, Err: fmt.Errorf("a fault on demand: %w", limiter.ErrInDoubt)}
}

// Faulty is a store that fails on demand, around one that doesn't.
type Faulty struct {
	store limiter.Store

	mu     sync.Mutex
	faults []Fault
	down   error
	late   []limiter.Batch
	writes int
}

// NewFaulty wraps s, whose owner it is from then on.
func NewFaulty(s limiter.Store) *Faulty { return &Faulty{store: s} }

// Queue has the next Writes meet these faults, one each.
func (f *Faulty) Queue(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// SetDown has every call fail with err, applying nothing, until it is set to nil.
func (f *Faulty) SetDown(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
}

// Writes counts those that came, whatever became of them.
func (f *Faulty) Writes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

// Load implements limiter.Store.
func (f *Faulty) Load(ctx context.Context, yield func(limiter.Record) error) error {
	if err := f.arrive(ctx); err != nil {
		return err
	}
	return f.store.Load(ctx, yield)
}

// Get implements limiter.Store.
func (f *Faulty) Get(ctx context.Context, clientID string) (limiter.Record, bool, error) {
	if err := f.arrive(ctx); err != nil {
		return limiter.Record{}, false, err
	}
	return f.store.Get(ctx, clientID)
}

// Stopped implements limiter.Store.
func (f *Faulty) Stopped(ctx context.Context) (time.Time, error) {
	if err := f.arrive(ctx); err != nil {
		return time.Time{}, err
	}
	return f.store.Stopped(ctx)
}

// Write implements limiter.Store, as the next fault of the Queue says.
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

// Close implements limiter.Store. What was late by then is lost.
func (f *Faulty) Close() error { return f.store.Close() }

func (f *Faulty) arriveToWrite(ctx context.Context) error {
	f.mu.Lock()
	f.writes++
	f.mu.Unlock()
	return f.arrive(ctx)
}

// arrive fails while the store is down; else it applies what is late.
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

// next takes the next fault: none at all where none is queued.
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
