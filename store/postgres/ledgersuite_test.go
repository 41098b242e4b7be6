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
	pooled(t, "server_round_robin = 1", "min_pool_size = 5")
}

// pooled runs the suite through a pooler.
func pooled(t *testing.T, settings ...string) {
	cluster := server.Cluster(t)
	o := at(t, cluster.Pooler(t, "transaction", "x", settings...))
	leasetest.Run(t, func(t *testing.T) leasetest.Place {
		o := o
		o.Schema = fresh("pooled")
		return place(t, cluster.URL(o.Schema), o)
	})
}

// fresh is the name of a schema in a cluster of ours, where nobody drops it.
func fresh(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()) }

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
