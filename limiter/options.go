package limiter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

// Options are the settings of a Service. Limits, FlushInterval and StoreTimeout are needed.
type Options struct {
	// Limits are those that there are, each with a name of its own.
	Limits []LimitOptions
	// MigrateTo names the limit that gets the buckets of a store that knew of one limit only; "":
	// the only limit does, otherwise the one named "default".
	MigrateTo string
	// LimitsKept is for how long the unmanaged buckets of a limit that there is no more are kept in
	// the store, should it come back; 0: for ever.
	LimitsKept time.Duration
	// FlushInterval is the time between the beginnings of two rounds. A crash loses what was spent
	// since the last one, except from limits that are Strict.
	FlushInterval time.Duration
	// StoreTimeout bounds every call to the store, and with that how long an admin write waits.
	StoreTimeout time.Duration
	// Volatile means that the store ends with the process. Spending isn't written to it, since
	// nobody could ever read it there.
	Volatile bool
	// LoadLater opens without the store's buckets. Run loads them as soon as the store is there.
	// Until then clients have what they have spent in memory only, and admin writes return
	// ErrStore.
	LoadLater bool
	// Replica shares the limits that have Sharing; nil: none has. The Service runs and closes it.
	Replica *lease.Replica
	// JoinTimeout is for how long Open has the Replica try to join; 0: once. One that has crashed
	// has its name until the others give it up.
	JoinTimeout time.Duration
	// Aside does what computes for long, or may block its thread: rounds, and listings; nil just
	// does it.
	Aside func(job func())
	// Clock is the system's if it is nil.
	Clock Clock
	// Logger gets the store's outages and recoveries.
	Logger zerolog.Logger
}

var errStrictLater = errors.New("strict: what is reserved must be read before anything is spent, " +
	"so the store must be there at the start")

var (
	errNoReplica    = errors.New("shared: there is no replica to share it")
	errStrictShared = errors.New("strict and shared: a crash gives nothing back of what is shared, so want either")
)

// validate returns an error that names the limit.
func (o *Options) validate() error {
	names := map[string]bool{}
	for i := range o.Limits {
		limit := &o.Limits[i]
		err := limit.validate()
		switch {
		case err != nil:
		case o.LoadLater && limit.Strict:
			err = errStrictLater
		case limit.Sharing != nil && o.Replica == nil:
			err = errNoReplica
		case limit.Sharing != nil && limit.Strict:
			err = errStrictShared
		case names[limit.Name]:
			err = errors.New("there are two of that name")
		}
		if err != nil {
			return fmt.Errorf("limit %q: %w", limit.Name, err)
		}
		names[limit.Name] = true
	}
	return nil
}

// names are those of the limits, for errors.
func (o *Options) names() string {
	names := make([]string, len(o.Limits))
	for i, l := range o.Limits {
		names[i] = l.Name
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// LimitOptions say how a limit works.
type LimitOptions struct {
	// Name is what operators and stores call the limit.
	Name string
	// Fingerprint tells the limit's key, with its options, from any other. Under another
	// fingerprint the limit begins anew.
	Fingerprint string
	// Secret is set where client_ids are kept as hashes only. It makes them of plain ones, and
	// returns others as they are.
	Secret func(clientID string) string
	// Plain is what Fingerprint would be without Secret. Buckets that a store has under it are
	// kept, under the hashes of their client_ids.
	Plain string
	// Settings are those of an unknown client's bucket.
	Settings gcra.Settings
	// Tiers are the settings that managed buckets can follow, by name.
	Tiers map[string]gcra.Settings
	// MaxBuckets is how many buckets are kept. Past it, unknown clients share overflow buckets,
	// which aren't stored or listed. Managed buckets are always loaded.
	MaxBuckets int64
	// Strict makes a crash give back nothing: see ledger.go. It excludes Options.LoadLater.
	Strict bool
	// Sharing is how Options.Replica shares the limit's buckets with others; nil: they are this
	// process's own. It excludes Strict.
	Sharing *Sharing
}

// Sharing is how a limit's buckets are shared: see package lease.
type Sharing struct {
	Leasing lease.Leasing
	// Wait is how long a request waits for the ledger where it has to.
	Wait   time.Duration
	OnLoss lease.OnLoss
}

func (o *LimitOptions) validate() error {
	if err := o.Settings.Validate(); err != nil {
		return fmt.Errorf("default settings: %w", err)
	}
	for name, settings := range o.Tiers {
		if err := settings.Validate(); err != nil {
			return fmt.Errorf("tier %q: %w", name, err)
		}
	}
	return nil
}

// sameNumbers reports whether the buckets that follow the limit have the same settings.
func (o *LimitOptions) sameNumbers(other *LimitOptions) bool {
	return o.Settings == other.Settings && maps.Equal(o.Tiers, other.Tiers)
}

// settingsOf are those of a tier's buckets.
func (o *LimitOptions) settingsOf(tier string) gcra.Settings {
	if settings, ok := o.Tiers[tier]; ok {
		return settings
	}
	return o.Settings
}

// defaultHeir is the limit that gets the buckets of a store that knew of one limit only, if there
// are several and Options.MigrateTo names none.
const defaultHeir = "default"

// Heir is the name of the limit that gets the buckets of a store that knew of one limit only. Its
// error wraps ErrMigrateTo. A store that is told of it asks before it makes a new layout, which the
// former version can't read.
func (o *Options) Heir() (name string, err error) {
	has := func(name string) bool {
		return slices.ContainsFunc(o.Limits, func(l LimitOptions) bool { return l.Name == name })
	}
	switch {
	case has(o.MigrateTo):
		return o.MigrateTo, nil
	case o.MigrateTo != "":
		return "", fmt.Errorf("%w; there is no limit %q, want one of %s", ErrMigrateTo, o.MigrateTo, o.names())
	case len(o.Limits) == 1:
		return o.Limits[0].Name, nil
	case has(defaultHeir):
		return defaultHeir, nil
	}
	return "", fmt.Errorf("%w: one of %s", ErrMigrateTo, o.names())
}
