//go:build linux

package main

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v3"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store/memory"
)

// taker spends a token of the client's, and reports whether there was one. clientID may alias a
// buffer only for known clients.
type taker func(clientID string) bool

// contestant makes a limiter with empty tables.
type contestant struct {
	name string
	open func() (taker, error)
}

// The names of contestants that have bars.
const (
	oursName  = "equalizer"
	bareName  = "bare loop"
	xrateName = "golang.org/x/time/rate"
	idName    = "client_id alone"
)

// contestants all admit 1,000,000 requests a second and client, from a burst that never ends.
func contestants() []contestant {
	return []contestant{
		{idName, func() (taker, error) { return func(string) bool { return true }, nil }},
		{bareName, openBare},
		{oursName, func() (taker, error) { return openOurs(plenty()) }},
		{xrateName, openXRate},
		{"sethvargo/go-limiter", openGoLimiter},
		{"throttled/throttled", openThrottled},
	}
}

func plenty() gcra.Settings {
	return gcra.Settings{Capacity: 1 << 40, Refill: gcra.Refill{Amount: 1_000_000, Per: time.Second}}
}

func stingy() gcra.Settings {
	return gcra.Settings{Capacity: 1, Refill: gcra.Refill{Amount: 1, Per: 1000 * time.Hour}}
}

// openService opens a Service with one limit.
func openService(s gcra.Settings, maxBuckets int64, o limiter.Options) (*limiter.Service, *limiter.Limit, error) {
	o.Limits = []limiter.LimitOptions{{Name: "default", Settings: s, MaxBuckets: maxBuckets}}
	o.FlushInterval, o.StoreTimeout = time.Second, time.Minute
	service, err := limiter.Open(context.Background(), o, memory.New())
	if err != nil {
		return nil, nil, err
	}
	return service, service.Limits()[0], nil
}

// defaultMaxBuckets is the configuration's default.
const defaultMaxBuckets = 10_000_000

func openOurs(s gcra.Settings) (taker, error) {
	_, limit, err := openService(s, defaultMaxBuckets, limiter.Options{})
	return func(clientID string) bool { return limit.Take(clientID, 1).Allowed }, err
}

// openBare is the least that a take from an xsync map can be: a lookup, a reading of the clock and
// a compare-and-swap. It has no shards, settings, decision or dirty list, and refuses nobody.
func openBare() (taker, error) {
	buckets, start := xsync.NewMapOf[string, *atomic.Int64](), time.Now()
	return func(clientID string) bool {
		arrival, ok := buckets.Load(clientID)
		if !ok {
			arrival, _ = buckets.LoadOrStore(strings.Clone(clientID), new(atomic.Int64))
		}
		now := int64(time.Since(start))
		for {
			tat := arrival.Load()
			if arrival.CompareAndSwap(tat, max(tat, now)+1000) {
				return true
			}
		}
	}, nil
}

func openXRate() (taker, error) {
	limiters := xsync.NewMapOf[string, *rate.Limiter]()
	return func(clientID string) bool {
		l, ok := limiters.Load(clientID)
		if !ok {
			l, _ = limiters.LoadOrStore(strings.Clone(clientID), rate.NewLimiter(1_000_000, 1<<30))
		}
		return l.Allow()
	}, nil
}

func openGoLimiter() (taker, error) {
	store, err := memorystore.New(&memorystore.Config{Tokens: 1 << 40, Interval: 1_000_000 * time.Second})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(clientID string) bool {
		_, _, _, ok, err := store.Take(ctx, clientID)
		return ok && err == nil
	}, nil
}

func openThrottled() (taker, error) {
	store, err := memstore.NewCtx(0) // no bound on clients, so no LRU list
	if err != nil {
		return nil, err
	}
	quota := throttled.RateQuota{MaxRate: throttled.PerDuration(1_000_000, time.Second), MaxBurst: 1 << 30}
	l, err := throttled.NewGCRARateLimiterCtx(store, quota)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(clientID string) bool {
		limited, _, err := l.RateLimitCtx(ctx, clientID, 1)
		return !limited && err == nil
	}, nil
}
