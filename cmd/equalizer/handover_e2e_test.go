//go:build e2e

package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// fillStore puts that many buckets that aren't full into a store.
func fillStore(t *testing.T, url string, buckets int) {
	t.Helper()
	c := config.Default()
	kept, err := parseStore(url)
	require.NoError(t, err)
	kept.override(&c.Store)
	store, _, err := openStore(context.Background(), c.Store, nil, nil, zerolog.Nop())
	require.NoError(t, err)
	defer store.Close()
	const batch = 10_000
	for first := 0; first < buckets; first += batch {
		b := limiter.Batch{Namespaces: []limiter.Namespace{{ID: 1, Stopped: time.UnixMicro(1)}}}
		for i := range batch {
			b.Puts = append(b.Puts, limiter.Record{
				Key:      limiter.Key{Namespace: 1, ClientID: fmt.Sprintf("client-%08d", first+i)},
				Settings: gcra.Settings{Capacity: 1_000_000, Refill: gcra.Refill{Amount: 1, Per: 20 * time.Minute}},
				Tokens:   5,
				At:       time.Now().UTC().Truncate(time.Microsecond),
			})
		}
		require.NoError(t, store.Write(context.Background(), b))
	}
}

// A successor that is started at the end of drain_delay takes over 100,000 buckets and serves,
// beside what its predecessor relays. The test logs how long that took: about a second on a machine
// with nothing else to do.
func TestSuccessorWithManyBuckets(t *testing.T) {
	server := newCluster(t)
	for name, store := range map[string]string{"bolt": t.TempDir() + "/buckets.db", "postgres": server.URL("equalizer")} {
		t.Run(name, func(t *testing.T) {
			const buckets = 100_000
			fillStore(t, store, buckets)
			shipped := buildShipped(t)
			s := newSuccession(t, shipped, store, time.Second)
			p := launchBinary(t, shipped, s.args...)
			require.GreaterOrEqual(t, p.status().Buckets.Count, int64(buckets))
			next, took := s.succeed(p)
			t.Logf("the successor served after %v", took)
			require.GreaterOrEqual(t, next.status().Buckets.Count, int64(buckets))
			next.stop()
		})
	}
}
