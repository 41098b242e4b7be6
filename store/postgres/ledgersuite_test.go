package postgres

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease/leasetest"
	"gopher-equalizer/store/postgres/pgtest"
)

func TestLedger(t *testing.T) {
	leasetest.Run(t, func(t *testing.T) leasetest.Place {
		schema := server.Schema(t)
		return place(t, schema, at(t, schema))
	})
}

// A pooler gives each transaction another server process.
func TestALedgerThroughAPooler(t *testing.T) {
	cluster := server.Cluster(t)
	f := func(name string, settings ...string) {
		t.Run(name, func(t *testing.T) {
			o := at(t, cluster.Pooler(t, "transaction", "x", settings...))
			leasetest.Run(t, func(t *testing.T) leasetest.Place {
				o := o
				o.Schema = "pooled_" + strings.ToLower(rand.Text())
				return place(t, cluster.URL(o.Schema), o)
			})
		})
	}
	f("some processes")
	f("one process", "default_pool_size = 1")
	f("in turns", "server_round_robin = 1", "min_pool_size = 5")
}

// place is a ledger for the conformance suite. Time passes in its rows, which are in a schema that
// the options may reach by another way.
func place(t *testing.T, schema string, o Options) leasetest.Place {
	return leasetest.Place{
		Ledger: openLedger(t, o), Other: openLedger(t, o),
		Pass: func(t *testing.T, d time.Duration) {
			_, err := pgtest.Connect(t, schema).Exec(t.Context(), `
				WITH r AS (UPDATE replicas SET died_at = died_at - $1::interval)
				UPDATE buckets SET counted_at = counted_at - $1::interval`, d)
			require.NoError(t, err)
		},
		Expire: func(t *testing.T, member int64) { expire(t, schema, member) },
	}
}
