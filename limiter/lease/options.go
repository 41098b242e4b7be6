package lease

import (
	"maps"
	"time"

	"github.com/rs/zerolog"
)

// Options are the settings of a Replica. All but Aside are needed.
type Options struct {
	// As is how the others see it; Since and Expires are the ledger's.
	As Member
	// Interval is the time between the beginnings of two rounds in which everything is settled.
	// What only some clients wait for is settled at once.
	Interval time.Duration
	// TTL is for how long after a round the replica may spend what it holds. It is three times the
	// Interval at least.
	TTL time.Duration
	// Timeout bounds each call to the ledger.
	Timeout time.Duration
	// Aside does a round in which everything is settled, which computes for long; nil just does it.
	Aside func(round func())
	Clock Clock
	// Logger gets it when the replica is cut off, and when it is back.
	Logger zerolog.Logger
}

// Clock tells the time in nanoseconds since some fixed moment. It goes on while the process is
// stopped by a signal.
type Clock interface{ Monotonic() int64 }

// Leasing is how far ahead a replica holds tokens.
type Leasing uint8

const (
	// Ahead: tokens that were earned before.
	Ahead Leasing = iota
	// Trickle: also tokens that will be earned within an interval.
	Trickle
	// Each: none. Each request asks, and waits.
	Each
)

// OnLoss is what becomes of requests while the replica is cut off.
type OnLoss uint8

const (
	// Local: each client has the refill divided by the number of replicas that were alive, from an
	// empty bucket.
	Local OnLoss = iota
	// Refuse refuses all.
	Refuse
	// Allow allows all.
	Allow
)

// LimitOptions say how a limit is shared.
type LimitOptions struct {
	// Name and Fingerprint are what Ledger.Enter has the limit's namespace by.
	Name, Fingerprint string
	Numbers
	// MaxBuckets is of how many clients the replica may hold tokens at a time. Past it, others are
	// refused.
	MaxBuckets int64
	Leasing    Leasing
	// Wait is how long a taker waits for the ledger, where nobody knows yet what it has.
	Wait   time.Duration
	OnLoss OnLoss
}

func (o *LimitOptions) sameNumbers(other *LimitOptions) bool {
	return o.Settings == other.Settings && maps.Equal(o.Tiers, other.Tiers)
}

// ahead is how long before they are earned tokens may be granted.
func (o *LimitOptions) ahead(interval time.Duration) time.Duration {
	if o.Leasing != Trickle {
		return 0
	}
	return interval
}
