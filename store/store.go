// Package store holds what the stores have in common: the errors that callers tell apart, and
// how a store names the process that holds it.
//
// The stores themselves are its sub-packages: memory, bolt (a file) and postgres. Each
// implements limiter.Store, whose comment is the promise, and passes storetest.
package store

import (
	"errors"
	"fmt"
	"math"

	"gopher-equalizer/limiter"
)

var (
	// ErrHeld is wrapped when a store can't be opened because another process holds it; the
	// message names that process.
	ErrHeld = errors.New("held by another process")

	// ErrSuperseded is wrapped when another process took the store over while this one had lost
	// its hold on it. It is final: what this process has in memory is out of date, so it must
	// never write again.
	ErrSuperseded = errors.New("another process took the store over")

	// ErrClosed is wrapped by calls to a store after its Close, and by those that Close ended.
	ErrClosed = errors.New("the store is closed")
)

// Check checks a record that was read from a store. Its error names the client. The settings must
// be valid, and the tokens finite. Tokens below 0 are a debt. Reserved tokens may be infinite.
func Check(r limiter.Record) error {
	if err := r.Settings.Validate(); err != nil {
		return fmt.Errorf("client %q: %w", r.ClientID, err)
	}
	if math.IsNaN(r.Tokens) || math.IsInf(r.Tokens, 0) {
		return fmt.Errorf("client %q: %v tokens can't be", r.ClientID, r.Tokens)
	}
	if r.Reserved < 0 || math.IsNaN(r.Reserved) {
		return fmt.Errorf("client %q: %v reserved tokens can't be", r.ClientID, r.Reserved)
	}
	return nil
}
