package limiter

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

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

// Limit is a named rule that gives every client a bucket, in a table of its own. A Service has
// several, and one store for all of them.
type Limit struct {
	o       LimitOptions
	service *Service
	clock   Clock
	table   *table.Table
	tiers   map[string]*gcra.Rate
	// namespace is the store's. It belongs to whoever holds the write lock, once it is loaded.
	namespace Namespace
	toHide    *Namespace // where the rows are to go under hashed client_ids; nil: nowhere; likewise
}

func newLimit(s *Service, o LimitOptions) *Limit {
	l := &Limit{
		o: o, service: s, clock: s.clock, tiers: map[string]*gcra.Rate{},
		table: table.New(table.Options{
			Defaults: o.Settings, MaxBuckets: o.MaxBuckets, Volatile: s.o.Volatile && !o.Strict,
		}),
	}
	for name, settings := range o.Tiers {
		l.tiers[name] = gcra.NewRate(settings).In(name)
	}
	return l
}

// Name is what operators call the limit.
func (l *Limit) Name() string { return l.o.Name }

// Defaults are the settings of an unknown client's bucket.
func (l *Limit) Defaults() gcra.Settings { return l.o.Settings }

func (l *Limit) key(clientID string) Key { return Key{l.namespace.ID, clientID} }

// rateOfTier is the one that a tier's buckets have now. Those of a tier that is gone follow the
// limit's own numbers, and keep its name: it may come back.
func (l *Limit) rateOfTier(name string) *gcra.Rate {
	if r, ok := l.tiers[name]; ok {
		return r
	}
	return l.table.Defaults().In(name)
}

// isGone reports whether a bucket's tier isn't one of the limit's any more.
func (l *Limit) isGone(tier string) bool { return tier != "" && l.tiers[tier] == nil }

// wantedTiers says which tiers there are, for errors.
func (l *Limit) wantedTiers() string {
	if len(l.tiers) == 0 {
		return "none, as the limit has no tiers"
	}
	return strings.Join(slices.Sorted(maps.Keys(l.tiers)), ", ")
}
