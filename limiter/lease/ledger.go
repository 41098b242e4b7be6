package lease

import (
	"context"
	"errors"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// Key names a bucket among those that replicas share.
type Key struct {
	// Namespace is what Ledger.Enter returned for the bucket's limit.
	Namespace uint32
	// ClientID is 1 to 256 bytes of valid UTF-8.
	ClientID string
}

// State is a bucket as the ledger has it.
type State struct {
	// Managed reports whether an operator wrote it. It then exists until it is deleted.
	Managed bool
	// Tier is the name of the tier whose numbers a managed bucket follows; "" if it has its own.
	Tier string
	// Settings are those that Tokens are earned at.
	Settings gcra.Settings
	// Tokens are those that nobody holds: the capacity less Leased at most, less than 0 if they
	// were handed out before they were earned. They have the fraction of the token that is being
	// earned.
	Tokens float64
	// Leased is what replicas hold, as far as the ledger knows. They may have spent it.
	Leased int64
	// At is the ledger's time at which Tokens were counted.
	At time.Time
}

// Ask is what a replica says, and wants, of one bucket.
type Ask struct {
	Key
	// Held is how many tokens the replica still holds, without Back.
	Held int64
	// Back is how many it gives back. It can't spend them any more.
	Back int64
	// Want is how many it would like to hold: Held, and what is granted.
	Want int64
	// Ahead is how long before they are earned tokens may be granted, or one token if it takes
	// longer. 0 under the lease scheme.
	Ahead time.Duration
}

// Reply is what the ledger says of one bucket. Settings, Tier and Managed are the bucket's.
type Reply struct {
	// Granted is how many tokens the replica holds from now on beside Ask.Held.
	Granted int64
	// Left is how many whole tokens nobody holds; 0 if there are none.
	Left int64
	// Owed is how many tokens replicas hold that there are none of any more, since an operator has
	// taken them away. Each gives back as many, at once.
	Owed int64

	Managed  bool
	Tier     string
	Settings gcra.Settings
}

// Numbers are what buckets of a limit follow that have no numbers of their own.
type Numbers struct {
	Settings gcra.Settings
	Tiers    map[string]gcra.Settings
}

// Of are those of a bucket. A tier that there is no more has the limit's.
func (n *Numbers) Of(managed bool, tier string, own gcra.Settings) gcra.Settings {
	if managed && tier == "" {
		return own
	}
	if s, ok := n.Tiers[tier]; ok && managed {
		return s
	}
	return n.Settings
}

// Round is what a replica asks at once. It is one transaction.
type Round struct {
	// Member is what Join returned, and Seq counts its rounds from 1. A round that is asked again
	// under the same Seq, with the same Asks, has the effect and the grants of the first one, and
	// keeps the replica alive. Some of the Asks may be left out then, which get no reply. One that
	// comes after a later one has no effect, and is refused.
	Member, Seq int64
	// TTL is for how long, from before the call, the replica may spend what it holds.
	TTL time.Duration
	// Numbers are those of the asker, by the namespaces in Asks.
	Numbers map[uint32]*Numbers
	// Asks are in the order of their keys, each once.
	Asks []Ask
}

// Member is a replica as others see it.
type Member struct {
	// Name is what operators call it.
	Name string
	Host string
	PID  int
	// Since is when it joined, and Expires until when the others wait for it, by the ledger's
	// clock.
	Since, Expires time.Time
}

// Ledger is the book of all shared buckets. It alone refills them, by its own clock. It holds a
// lease for each bucket that a replica holds anything of.
//
// What ledgers promise, and the conformance suite in leasetest checks:
//   - At any moment Tokens, with what has been earned since At, and all that is leased come to the
//     capacity at most. A lease counts until its holder reports it as spent, or has expired.
//   - An unmanaged bucket that lacks nothing is none, if nobody holds any of its tokens.
//   - An error that wraps ErrInDoubt: the call may have had its effect, now or until the next one
//     succeeds. Any other error: it had none and never will.
//   - Calls may come from several goroutines.
type Ledger interface {
	// Enter returns the namespace of a limit's buckets, by its name and fingerprint.
	Enter(ctx context.Context, limit, fingerprint string) (namespace uint32, err error)
	// Join registers a replica, which holds nothing, and begins to be alive for ttl. A name stands
	// for one replica: the one that had it before is expelled once it has expired, and until then
	// the error wraps ErrNameTaken. All calls of a replica have the same life, and those of others
	// have other ones: while a registration has had no round, a call of the same life is given that
	// one again. So a call whose response was lost can be repeated at once.
	Join(ctx context.Context, as Member, life string, ttl time.Duration) (member int64, err error)
	// Renew settles a round, and keeps the replica alive. Replies are in the order of Asks. Others
	// that have expired are expelled. ErrExpelled: the replica is, and holds nothing any more. An
	// UnreadableError names buckets without which the round can be asked again.
	Renew(ctx context.Context, r Round) (replies []Reply, alive int, err error)
	// Leave is the end of a replica that has given back what it held. What is left counts as spent.
	// It is no error if the replica is gone already.
	Leave(ctx context.Context, member int64) error
	// Members are the replicas that are alive, in the order of their names.
	Members(ctx context.Context) ([]Member, error)
	// Tidy deletes what says nothing any more: unmanaged buckets of the namespaces of numbers that
	// are full while nobody holds anything of them, and what there is of replicas that have gone.
	Tidy(ctx context.Context, numbers map[uint32]*Numbers) error

	// Get reads a bucket, with what it has earned by numbers; false if there is none.
	Get(ctx context.Context, key Key, numbers *Numbers) (State, bool, error)
	// Each calls yield with each bucket of a namespace, in no particular order, until its first
	// error, which it returns as it is.
	Each(ctx context.Context, namespace uint32, numbers *Numbers, yield func(clientID string, s State) error) error
	// Change calls change with a bucket, or nil if there is none, while nobody else can change it,
	// and stores what it returns, as of now: nil deletes the bucket. Leased and At are not stored.
	// Tokens that are held by replicas stay with them, and a bucket that is deleted lacks only
	// those. An error of change ends it, and is returned as it is.
	Change(ctx context.Context, key Key, numbers *Numbers, change func(present *State) (*State, error)) error
}

var (
	// ErrInDoubt is wrapped by an error after which nobody knows whether the call had its effect.
	ErrInDoubt = errors.New("unknown whether it was stored")
	// ErrExpelled: the replica was silent for longer than its TTL, and others may have what it
	// held.
	ErrExpelled = errors.New("others have declared this replica dead")
	// ErrNameTaken: another replica of that name is alive.
	ErrNameTaken = errors.New("another replica of that name is alive")
)

// UnreadableError is about buckets that can't be settled until somebody mends them.
type UnreadableError struct {
	// Keys are those of the asks, or some of them.
	Keys []Key
	// Err is what is wrong with the first one.
	Err error
}

// Error is that of Err.
func (u *UnreadableError) Error() string { return u.Err.Error() }

// Unwrap is Err.
func (u *UnreadableError) Unwrap() error { return u.Err }
