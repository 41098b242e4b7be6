package postgres

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store/postgres/pgtest"
)

// BenchmarkRenew is what one PostgreSQL does for replicas that renew different parts of a million
// buckets. A renewal is one bucket of a round.
func BenchmarkRenew(b *testing.B) {
	const buckets = 1_000_000
	schema := server.Schema(b)
	l := openLedger(b, at(b, schema))
	numbers := &lease.Numbers{Settings: gcra.Settings{Capacity: 1_000_000, Refill: gcra.Refill{Amount: 1, Per: time.Second}}}
	first := joined(b, l, "first", numbers)
	first.grants(first.ask("one", 0, 0, 1)) // which makes the row of settings
	_, err := pgtest.Connect(b, schema).Exec(b.Context(), `INSERT INTO buckets (namespace, client_id, managed, settings_id, tokens, counted_at)
		SELECT $1, 'client-' || lpad(n::text, 9, '0'), false, (SELECT min(id) FROM settings), 1000, clock_timestamp() FROM generate_series(0, $2 - 1) n`,
		int32(first.namespace), buckets)
	require.NoError(b, err)
	_, err = pgtest.Connect(b, schema).Exec(b.Context(), "VACUUM ANALYZE buckets")
	require.NoError(b, err)
	for _, replicas := range []int{1, 3} {
		for _, asks := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("replicas=%d/asks=%d", replicas, asks), func(b *testing.B) {
				renewals(b, schema, numbers, replicas, buckets/asks, asks)
			})
		}
	}
}

// renewals has replicas share b.N rounds, of a random part of the buckets each.
func renewals(b *testing.B, schema string, numbers *lease.Numbers, replicas, parts, asks int) {
	var rounds atomic.Int64
	var all sync.WaitGroup
	var members []*replica
	for range replicas {
		members = append(members, joined(b, openLedger(b, at(b, schema)), crand.Text(), numbers))
	}
	b.ResetTimer()
	for _, r := range members {
		all.Go(func() {
			for rounds.Add(1) <= int64(b.N) {
				part := rand.IntN(parts)
				round := make([]lease.Ask, asks)
				for j := range round {
					round[j] = r.ask(fmt.Sprintf("client-%09d", part*asks+j), 1, 0, 2)
				}
				if _, _, err := r.Renew(b.Context(), r.round(round...)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N*asks)/b.Elapsed().Seconds(), "renewals/s")
}
