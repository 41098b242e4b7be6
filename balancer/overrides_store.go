package balancer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gopher-equalizer/store/blob"
)

// This file has the attempts to load overrides and to store them: when one is made, and when again.

// Load has the stored overrides count. It is called once the pools are made or prepared, and before
// their first probes. If it fails because the store is away, Run goes on trying. What an operator
// says meanwhile wins.
func (o *Overrides) Load(ctx context.Context) error {
	return o.settle(ctx, false)
}

// Flush stores what isn't stored yet, in one attempt. The error has how many overrides aren't.
func (o *Overrides) Flush(ctx context.Context) error {
	if !o.waits() {
		return nil
	}
	err := o.settle(ctx, false)
	if err == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if n := len(o.pending); n != 1 {
		return fmt.Errorf("%d overrides not stored: %w", n, err)
	}
	return fmt.Errorf("1 override not stored: %w", err)
}

// Await waits until Run has stored all that there is to store, or ctx ends.
func (o *Overrides) Await(ctx context.Context) {
	for {
		o.mu.Lock()
		n, settled := len(o.pending), o.settled
		o.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return
		}
	}
}

// settle makes an attempt, once no other one runs. With reread what is stored counts as unknown.
func (o *Overrides) settle(ctx context.Context, reread bool) error {
	select {
	case o.storing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-o.storing }()
	o.mu.Lock()
	blobs, timeout := o.blobs, o.timeout
	o.mu.Unlock()
	if blobs != o.store.in {
		o.store = storedOverrides{in: blobs}
	}
	if blobs == nil {
		return nil
	}
	o.store.read = o.store.read && !reread
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return o.attempt(ctx)
}

const (
	// minPause and maxPause bound the pause after an attempt that failed. It doubles each time.
	minPause = 500 * time.Millisecond
	maxPause = 30 * time.Second
)

// Run loads what isn't loaded yet, stores what changes, and reads anew what others may have stored,
// until ctx ends. While the store can't be used, it goes on trying.
func (o *Overrides) Run(ctx context.Context) {
	pause := minPause
	failing := false
	reread := false
	for {
		err := o.settle(ctx, reread)
		if ctx.Err() != nil {
			return
		}
		o.logTurn(&failing, err)
		due, wake := o.nextRead(), o.wake
		if err == nil {
			pause = minPause
		} else {
			due, wake = time.After(pause/2+rand.N(pause/2)), nil
			pause = min(2*pause, maxPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
			reread = false
		case <-due:
			reread = true
		}
	}
}

// nextRead is when the store is to be read anew; nil is never.
func (o *Overrides) nextRead() <-chan time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blobs == nil || o.reread == 0 {
		return nil
	}
	return time.After(o.reread)
}

// logTurn logs when the store begins to fail, and when it works again.
func (o *Overrides) logTurn(failing *bool, err error) {
	switch was := *failing; {
	case err != nil && !was:
		o.log.Warn().Err(err).Msg("overrides of backends can't be loaded or stored: those of this run count, and it is tried again")
	case err == nil && was:
		o.log.Info().Msg("overrides of backends are stored")
	}
	*failing = err != nil
}

// maxConflicts is how often an attempt reads again because another process has written meanwhile.
const maxConflicts = 5

// attempt reads what is stored, if that is unknown, and stores what is pending.
// The caller holds o.storing.
func (o *Overrides) attempt(ctx context.Context) error {
	for range maxConflicts {
		if !o.waits() && !o.store.waits() {
			return nil
		}
		if err := o.read(ctx); err != nil {
			return fmt.Errorf("load overrides of backends: %w", err)
		}
		err := o.write(ctx)
		if err == nil {
			return nil
		}
		o.store.read = false // Another process wrote, or it is unknown what was written.
		if !errors.Is(err, blob.ErrRevision) {
			return fmt.Errorf("store overrides of backends: %w", err)
		}
	}
	return fmt.Errorf("store overrides of backends: %w, %d times in a row", blob.ErrRevision, maxConflicts)
}

// waits reports whether anything is pending.
func (o *Overrides) waits() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pending) > 0
}
