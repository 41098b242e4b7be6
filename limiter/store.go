package limiter

import (
	"context"
	"errors"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// MaxClientID is how many bytes a client_id may have. No API and no key makes a longer one.
const MaxClientID = 256

// Record is one bucket as a store keeps it.
type Record struct {
	// ClientID is the key: 1 to 256 bytes of valid UTF-8.
	ClientID string
	// Managed reports whether an operator wrote this bucket. It then exists until it is deleted.
	Managed bool
	// Settings are those that the tokens were earned at until At.
	Settings gcra.Settings
	// Tokens is what the bucket held at At, from 0 to Settings.Capacity, with the fraction of the
	// token that was being earned.
	Tokens float64
	// Reserved is how many of Tokens, and of those earned after At, the client may spend before its
	// next record is stored: 0 or more, +Inf for all. A start that follows a crash counts them as
	// spent.
	Reserved float64
	// At is the wall time at which Tokens were counted, UTC, in whole microseconds.
	At time.Time
}

// recordOf is a bucket as a store keeps it, with the credit that it had at wall.
func recordOf(r *gcra.Rate, clientID string, managed bool, credit int64, wall time.Time) Record {
	return Record{ClientID: clientID, Managed: managed, Settings: r.Settings, Tokens: r.Tokens(credit), At: storedTime(wall)}
}

// storedTime is a moment as records have it: in whole microseconds, which is what PostgreSQL keeps.
// It is rounded up, so that a later start credits no more than was earned.
func storedTime(t time.Time) time.Time {
	cut := t.UTC().Truncate(time.Microsecond)
	if cut.Before(t) {
		cut = cut.Add(time.Microsecond)
	}
	return cut
}

// Batch is what one transaction writes. Both lists are in ascending byte order of the
// client_id, hold each client at most once, and have no client in common.
type Batch struct {
	// Puts are inserted, or replace what is there.
	Puts []Record
	// Deletes are removed; one that isn't there is no error.
	Deletes []string
	// Stopped marks the last batch of a writer that stops in order, unless it is zero. It is the
	// time from which on clients without a record have a full bucket, in whole microseconds. Every
	// other batch that is applied, an empty one too, removes the mark.
	Stopped time.Time
}

// same reports whether the store gave back what was written.
func (r *Record) same(other Record) bool {
	return r.ClientID == other.ClientID && r.Managed == other.Managed && r.Settings == other.Settings &&
		r.Tokens == other.Tokens && r.Reserved == other.Reserved && r.At.Equal(other.At)
}

// longAgo is the Stopped of a writer whose clients without a record have full buckets already.
func longAgo() time.Time { return time.UnixMicro(1).UTC() }

// Store keeps buckets over restarts. The Service calls it from one goroutine at a time, except
// Close, which may come at any moment and ends a call under way. Every call ends soon after its
// context does.
//
// What stores promise, and the conformance suite in store/storetest checks:
//   - Write applies a whole batch or nothing. nil: it is durable. An error that wraps ErrInDoubt:
//     it may be applied, now or until the next call to the store succeeds. That call outwaits what
//     is left of it. Any other error: it is not applied and never will be.
//   - Get, Load and Stopped see all that was written by Writes that returned nil.
//   - A batch is the Service's again when Write returns. A store copies what it keeps, client_ids
//     too, since they lie in large pieces of memory.
//   - There is one writer: opening a store that another process holds fails.
type Store interface {
	// Load calls yield with every record, in no particular order. It stops at yield's first error,
	// and returns it as it is.
	Load(ctx context.Context, yield func(Record) error) error
	// Get reads one record; false where there is none.
	Get(ctx context.Context, clientID string) (Record, bool, error)
	// Stopped is that of the last batch that was applied: zero if its writer meant to go on. For a
	// new store it is some time in the past.
	Stopped(ctx context.Context) (time.Time, error)
	// Write applies a batch in one transaction.
	Write(ctx context.Context, batch Batch) error
	// Close lets go of the file or the connection, and of the claim to be the one writer.
	Close() error
}

// ErrInDoubt is wrapped by a Write's error if the batch may be stored: the connection broke, or
// time ran out, around the commit.
var ErrInDoubt = errors.New("unknown whether it was stored")
