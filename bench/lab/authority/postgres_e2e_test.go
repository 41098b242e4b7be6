//go:build e2e

package authority

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/certs/acme"
	"gopher-equalizer/store/postgres"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/seal"
)

// Two processes on one PostgreSQL order once, without a claim to the buckets there. The database
// never sees a key.
func TestTwoProcessesOnPostgreSQL(t *testing.T) {
	cluster, err := pgtest.Start()
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	host, port, err := net.SplitHostPort(cluster.Address())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	secret, err := seal.ParseSecret(strings.Repeat("a1", 32))
	require.NoError(t, err)
	open := func() *postgres.Blobs {
		b, err := postgres.NewBlobs(postgres.Options{
			Host: host, Port: number, User: "postgres", DBName: "postgres", SSLMode: "disable", Schema: "equalizer",
			Timeout: patience, Logger: zerolog.Nop(),
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = b.Close() })
		return b
	}
	e := newEdge(t)
	a := e.authority(t)
	settings := acme.Settings{Domains: []string{"one.test", "two.test"}, CA: a.Directory, Roots: a.Roots}
	var all []*acme.Manager
	for range 2 {
		m := e.open(t, acme.Options{Blobs: seal.New(open(), secret), LockTTL: 2 * time.Second})
		m.Use(settings)
		all = append(all, m)
	}
	for _, m := range all {
		eventually(t, "certificates", func() bool {
			s := m.Status()
			return s[0].Certificate != nil && s[1].Certificate != nil
		})
	}
	assert.Equal(t, 2, a.Orders())

	stored := open()
	infos, err := stored.List(t.Context(), "acme/")
	require.NoError(t, err)
	keys := 0
	for _, info := range infos {
		if strings.HasSuffix(info.Key, ".key") {
			keys++
		}
		value, _, err := stored.Get(t.Context(), info.Key)
		require.NoError(t, err)
		assert.NotContains(t, string(value), "PRIVATE KEY", info.Key)
	}
	assert.Equal(t, 3, keys, "two domains' and the account's")
}
