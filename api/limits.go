package api

import (
	"strings"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// Limit is what the API has to know of a limit.
type Limit struct {
	Name string
	// Key and Durability are as in the configuration.
	Key, Durability string
	// ClientID returns the stored form of an operator's client_id. It must return ids that it
	// returned before unchanged, since listings show them. nil stores all ids as they are.
	ClientID func(string) string
	// Settings are those of an unknown client's bucket.
	Settings gcra.Settings
	// Tiers are what buckets can follow instead, by name.
	Tiers map[string]gcra.Settings
}

// LimitView is a limit that is in force, and what it holds, in JSON.
type LimitView struct {
	Name          string              `json:"name"`
	Key           string              `json:"key"`
	Capacity      int64               `json:"capacity"`
	Refill        gcra.Refill         `json:"refill"`
	Tiers         map[string]Defaults `json:"tiers"`
	Durability    string              `json:"durability"`
	Buckets       int64               `json:"buckets"`
	Managed       int64               `json:"managed"`
	MaxBuckets    int64               `json:"max_buckets"`
	OverflowTakes int64               `json:"overflow_takes"`
}

func (s *snapshot) listLimits(ctx *fasthttp.RequestCtx) error {
	return writeJSON(ctx, fasthttp.StatusOK, s.limits())
}

// limits are those that are in force, and what they hold.
func (s *snapshot) limits() []LimitView {
	counts := map[string]limiter.Counts{}
	if s.sources.Reader != nil {
		for _, l := range s.sources.Reader.Stats().Limits {
			counts[l.Name] = l.Counts
		}
	}
	views := make([]LimitView, len(s.sources.Limits))
	for i, l := range s.sources.Limits {
		n := counts[l.Name]
		views[i] = LimitView{
			Name: l.Name, Key: l.Key, Capacity: l.Settings.Capacity, Refill: l.Settings.Refill,
			Tiers: map[string]Defaults{}, Durability: l.Durability,
			Buckets: n.Buckets, Managed: n.Managed, MaxBuckets: n.MaxBuckets, OverflowTakes: n.OverflowTakes,
		}
		for name, tier := range l.Tiers {
			views[i].Tiers[name] = Defaults(tier)
		}
	}
	return views
}

// limitNamed is the limit that a call is about. With one limit it needn't be said.
func (s *snapshot) limitNamed(name, where string) (*Limit, error) {
	if name == "" && len(s.sources.Limits) == 1 {
		return &s.sources.Limits[0], nil
	}
	for i := range s.sources.Limits {
		if s.sources.Limits[i].Name == name {
			return &s.sources.Limits[i], nil
		}
	}
	if name == "" {
		return nil, badRequest("%s is missing, and there are several limits; want one of %s", where, s.limitNames())
	}
	return nil, refuse(limiter.ErrNoLimit, "there is no limit %s; want one of %s", excerpt(name), s.limitNames())
}

func (s *snapshot) limitNames() string {
	names := make([]string, len(s.sources.Limits))
	for i, l := range s.sources.Limits {
		names[i] = l.Name
	}
	return strings.Join(names, ", ")
}

// stored is the form of a client_id that the limit stores.
func (l *Limit) stored(clientID string) string {
	if l.ClientID == nil {
		return clientID
	}
	return l.ClientID(clientID)
}
