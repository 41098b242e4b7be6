package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// migratedRows are the rows, with whole tokens, of the file and of the dump that the program which
// knew of one limit only has left, after the same traffic and the same admin writes.
func migratedRows() map[string]limiter.Record {
	hour, day := time.Hour, 24*time.Hour
	row := func(tokens float64, managed bool, capacity, amount int64, per time.Duration) limiter.Record {
		return limiter.Record{
			Managed: managed, Tokens: tokens,
			Settings: gcra.Settings{Capacity: capacity, Refill: gcra.Refill{Amount: amount, Per: per}},
		}
	}
	return map[string]limiter.Record{
		"client-1":      row(90, false, 100, 1, hour),
		"client-2":      row(80, false, 100, 1, hour),
		"client-3":      row(70, false, 100, 1, hour),
		"ip:127.0.0.1":  row(97, false, 100, 1, hour),
		"managed-full":  row(15, true, 15, 1, hour),
		"managed-spent": row(4, true, 500, 1, 30*day),
		"日本語":           row(0, true, 7, 7, 14*day),
	}
}

// RequireMigrated demands that a store that was brought up to date has every token of migratedRows,
// and that its buckets become those of whichever limit is to have them.
func RequireMigrated(t *testing.T, open func() limiter.Store) {
	t.Helper()
	s := open()
	requireMigratedRows(t, s)
	requireHeirWanted(t, s)
	for _, to := range []struct {
		limit, migrateTo string
		limits           []string
	}{
		{"only", "", []string{"only"}},
		{"default", "", []string{"search", "default", "login"}},
		{"login", "login", []string{"search", "default", "login"}},
	} {
		require.NoError(t, s.Close())
		s = open()
		v, err := openMigrated(t, s, to.migrateTo, to.limits...)
		require.NoError(t, err)
		requireServes(t, v, to.limit)
		require.NoError(t, v.Close(t.Context()))
		again, err := openMigrated(t, s, "", to.limits...)
		require.NoError(t, err, "nobody is asked again")
		requireServes(t, again, to.limit)
	}
}

// requireMigratedRows demands that a store has migratedRows, of a limit that isn't known yet.
func requireMigratedRows(t *testing.T, s limiter.Store) {
	t.Helper()
	rows, want := Load(t, s), migratedRows()
	require.Len(t, rows, len(want))
	for clientID, r := range rows {
		as := want[clientID]
		require.GreaterOrEqual(t, r.Tokens, as.Tokens, clientID)
		require.Less(t, r.Tokens, as.Tokens+0.01, clientID)
		as.Key, as.Tokens, as.At = Keys(clientID)[0], r.Tokens, r.At
		require.Equal(t, as, r)
		require.WithinDuration(t, time.Date(2026, 11, 29, 0, 37, 36, 0, time.UTC), r.At, 3*time.Second)
	}
	require.Equal(t, []limiter.Namespace{{ID: first, Stopped: time.UnixMicro(1).UTC()}}, Namespaces(t, s), "nobody's yet, and in order")
}

// requireHeirWanted demands that a store stays as it is until a limit is named that gets its rows.
func requireHeirWanted(t *testing.T, s limiter.Store) {
	t.Helper()
	rows := Load(t, s)
	_, err := openMigrated(t, s, "", "search", "login")
	require.ErrorIs(t, err, limiter.ErrMigrateTo)
	require.ErrorContains(t, err, "store.migrate_to")
	require.ErrorContains(t, err, "login, search")
	_, err = openMigrated(t, s, "nobody", "search", "login")
	require.ErrorContains(t, err, `no limit "nobody"`)
	require.Equal(t, rows, Load(t, s), "nothing is changed")
}

// openMigrated opens a service with limits of these names.
func openMigrated(t *testing.T, s limiter.Store, migrateTo string, limits ...string) (*limiter.Service, error) {
	t.Helper()
	o := limiter.Options{MigrateTo: migrateTo, FlushInterval: time.Second, StoreTimeout: patience}
	for _, name := range limits {
		o.Limits = append(o.Limits, limiter.LimitOptions{
			Name: name, Fingerprint: "key of " + name, MaxBuckets: 1000, Settings: migratedRows()["client-1"].Settings,
		})
	}
	return limiter.Open(t.Context(), o, s)
}

// requireServes demands that a service has migratedRows, under this limit and no other.
func requireServes(t *testing.T, v *limiter.Service, limit string) {
	t.Helper()
	want := migratedRows()
	page, more, err := v.List(limiter.Query{Limit: 100})
	require.NoError(t, err)
	require.False(t, more)
	managed := 0
	for _, b := range page {
		as := want[b.ClientID]
		require.Equal(t, limit, b.Limit, b.ClientID)
		require.Equal(t, as.Managed, b.Managed, b.ClientID)
		require.Equal(t, as.Settings, b.Settings, b.ClientID)
		require.GreaterOrEqual(t, b.Tokens, int64(as.Tokens), b.ClientID)
		if b.Managed {
			managed++
		}
	}
	require.Equal(t, 3, managed)
}
