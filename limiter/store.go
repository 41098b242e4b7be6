package limiter

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// MaxClientID is how many bytes a client_id may have. No API and no key makes a longer one.
const MaxClientID = 256

// Namespace is what a limit's buckets are kept under: its name, and what makes client_ids of
// requests. Under another key, the same client_id would be somebody else's.
type Namespace struct {
	// ID stands for the namespace in Keys. It is 1 or more.
	ID uint32
	// LimitName is the limit's name. It is "" for the buckets of a store that knew of one limit
	// only, until a limit has taken them over.
	LimitName string
	// Fingerprint tells one key, with its options, from another.
	Fingerprint string
	// Stopped is from when on clients without a record have a full bucket, in whole microseconds,
	// if the last writer that had the limit has stopped in order. It is zero if that writer is at
	// work, or has crashed.
	Stopped time.Time
	// Left is when a writer first found that it has no such limit, in whole microseconds; zero if
	// the last one has it.
	Left time.Time
	// Strict reports whether the writer that has the limit is strict, so that what isn't reserved
	// can have been spent only if a record reserves nothing.
	Strict bool
	// Renumbered are the changes of the settings that buckets follow which older records may not
	// know of, in the order in which they came: see renumbered.go.
	Renumbered []Renumbered
}

// Key names a bucket: by its namespace, and the client whose bucket it is.
type Key struct {
	Namespace uint32
	// ClientID is 1 to 256 bytes of valid UTF-8.
	ClientID string
}

// Compare is the order of keys: by namespace, and then by the bytes of the client_id.
func (k Key) Compare(other Key) int {
	if c := cmp.Compare(k.Namespace, other.Namespace); c != 0 {
		return c
	}
	return strings.Compare(k.ClientID, other.ClientID)
}

// Kind says how a bucket's tokens come back.
type Kind uint8

const (
	// Rate: they are earned one after the other.
	Rate Kind = iota
	// Window: all are back at the end of a span of the calendar. This version knows no such limits,
	// and refuses their records.
	Window
)

// Record is one bucket as a store keeps it.
type Record struct {
	Key
	Kind Kind
	// Managed reports whether an operator wrote this bucket. It then exists until it is deleted.
	Managed bool
	// Tier is the name of the tier whose numbers a managed bucket follows; "" if it has its own.
	Tier string
	// Settings are those that the tokens were earned at until At.
	Settings gcra.Settings
	// Tokens is what the bucket held at At, up to Settings.Capacity, with the fraction of the token
	// that was being earned. Less than 0 is a debt.
	Tokens float64
	// Reserved is how many of Tokens, and of those earned after At, the client may spend before its
	// next record is stored: 0 or more, +Inf for all. A start that follows a crash counts them as
	// spent.
	Reserved float64
	// At is the wall time at which Tokens were counted, UTC, in whole microseconds.
	At time.Time
}

// recordOf is a bucket as a store keeps it, with the credit that it had at wall.
func recordOf(r *gcra.Rate, key Key, managed bool, credit int64, wall time.Time) Record {
	return Record{
		Key: key, Managed: managed, Tier: r.Tier, Settings: r.Settings,
		Tokens: r.Tokens(credit), At: storedTime(wall),
	}
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

// Batch is what one transaction writes. Puts and Deletes are in ascending order of their keys, hold
// each key at most once, and have none in common.
type Batch struct {
	// Namespaces are inserted, or replace those with the same ID.
	Namespaces []Namespace
	// Puts are inserted, or replace what is there. Their namespaces are in the store, or among
	// Namespaces.
	Puts []Record
	// Deletes are removed; one that isn't there is no error.
	Deletes []Key
}

func (b *Batch) empty() bool { return len(b.Namespaces)+len(b.Puts)+len(b.Deletes) == 0 }

// same reports whether the store gave back what was written.
func (r *Record) same(other Record) bool {
	sameTime := r.At.Equal(other.At)
	other.At = r.At
	return sameTime && *r == other
}

// longAgo is the Stopped of a limit whose clients without a record have full buckets already.
func longAgo() time.Time { return time.UnixMicro(1).UTC() }

// Store keeps buckets over restarts. The Service calls it from one goroutine at a time, except
// Close, which may come at any moment and ends a call under way. Every call ends soon after its
// context does.
//
// What stores promise, and the conformance suite in store/storetest checks:
//   - Write applies a whole batch or nothing. nil: it is durable. An error that wraps ErrInDoubt:
//     it may be applied, now or until the next call to the store succeeds. That call outwaits what
//     is left of it. Any other error: it is not applied and never will be.
//   - Get, Load and Namespaces see all that was written by Writes that returned nil.
//   - A batch is the Service's again when Write returns. A store copies what it keeps, client_ids
//     too, since they lie in large pieces of memory.
//   - There is one writer: opening a store that another process holds fails.
type Store interface {
	// Namespaces reads all of them, in the order of their IDs.
	Namespaces(ctx context.Context) ([]Namespace, error)
	// Load calls yield with every record of a namespace, in no particular order. It stops at
	// yield's first error, and returns it as it is.
	Load(ctx context.Context, namespace uint32, yield func(Record) error) error
	// Get reads one record; false where there is none.
	Get(ctx context.Context, key Key) (Record, bool, error)
	// Write applies a batch in one transaction.
	Write(ctx context.Context, batch Batch) error
	// Close lets go of the file or the connection, and of the claim to be the one writer.
	Close() error
}

// ErrInDoubt is wrapped by a Write's error if the batch may be stored: the connection broke, or
// time ran out, around the commit.
var ErrInDoubt = errors.New("unknown whether it was stored")

// whileItMoves is a context that ends once count has stood still for timeout, or for less than
// twice that. How long a load takes depends on the number of buckets, so it has no other deadline.
// A store that hangs must still not hang it.
func whileItMoves(
	parent context.Context, timeout time.Duration, count *atomic.Int64,
) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(timeout)
		defer ticker.Stop()
		for last := int64(-1); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			now := count.Load()
			if now == last {
				cancel(fmt.Errorf("%w: nothing came for %v", context.DeadlineExceeded, timeout))
				return
			}
			last = now
		}
	}()
	return ctx, func() { cancel(context.Canceled); <-done }
}

// ErrMigrateTo is returned by Open if the store's buckets are of a version that knew of one limit
// only, and Options don't say which limit that was.
var ErrMigrateTo = errors.New("the store's buckets are of a version that knew of one limit only; " +
	"say by store.migrate_to which limit gets them")

// Renumbered is a change of the settings that buckets follow, while a writer was at work.
type Renumbered struct {
	// Tier is the one whose buckets these are; "" for those that are unmanaged.
	Tier string
	// Was and Is are their settings before and after it.
	Was, Is gcra.Settings
	// From and Until are between which moments it came, in whole microseconds of the wall clock. If
	// Unknown, it may not have come at all. Until is zero then as long as the writer is at work
	// that planned it.
	From, Until time.Time
	Unknown     bool
	// Forgotten means that earlier changes aren't known any more. A record from before From has
	// nothing then.
	Forgotten bool
	// Unreserved means that the limit became strict. Whatever records from before From reserve, all
	// that they have may have been spent.
	Unreserved bool
}

// isPlanned reports whether the writer at work may make the change, or has made it.
func (r *Renumbered) isPlanned() bool { return r.Unknown && r.Until.IsZero() }

// MarshalRenumbered is what stores keep of Renumbered.
func (n *Namespace) MarshalRenumbered() ([]byte, error) {
	if len(n.Renumbered) == 0 {
		return []byte("[]"), nil
	}
	return json.Marshal(n.Renumbered)
}

// UnmarshalRenumbered reads what MarshalRenumbered wrote.
func (n *Namespace) UnmarshalRenumbered(text []byte) error {
	if err := json.Unmarshal(text, &n.Renumbered); err != nil {
		return err
	}
	if len(n.Renumbered) == 0 {
		n.Renumbered = nil
	}
	return nil
}
