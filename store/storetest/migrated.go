package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// MigratedRows are the rows, with whole tokens, of the file and of the dump that the program which
// knew of one limit only has left, after the same traffic and the same admin writes.
func MigratedRows() map[string]limiter.Record {
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

// RequireMigrated demands that a store that was brought up to date has every token of MigratedRows,
// and that its buckets become those of whichever limit is to have them.
func RequireMigrated(t *testing.T, open func() limiter.Store) {
	t.Helper()
	s := open()
	rows := Load(t, s)
	want := MigratedRows()
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

	limits := func(names ...string) (all []limiter.LimitOptions) {
		for _, name := range names {
			all = append(all, limiter.LimitOptions{
				Name: name, Fingerprint: "key of " + name, MaxBuckets: 1000, Settings: want["client-1"].Settings,
			})
		}
		return all
	}
	serve := func(migrateTo string, names ...string) (*limiter.Service, error) {
		return limiter.Open(t.Context(), limiter.Options{
			Limits: limits(names...), MigrateTo: migrateTo, FlushInterval: time.Second, StoreTimeout: patience,
		}, s)
	}
	_, err := serve("", "search", "login")
	require.ErrorIs(t, err, limiter.ErrMigrateTo)
	require.ErrorContains(t, err, "store.migrate_to")
	require.ErrorContains(t, err, "login, search")
	_, err = serve("nobody", "search", "login")
	require.ErrorContains(t, err, `no limit "nobody"`)
	require.Equal(t, rows, Load(t, s), "nothing is changed")

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
		v, err := serve(to.migrateTo, to.limits...)
		require.NoError(t, err)
		requireServes(t, v, to.limit, want)
		require.NoError(t, v.Close(t.Context()))
		again, err := serve("", to.limits...)
		require.NoError(t, err, "nobody is asked again")
		requireServes(t, again, to.limit, want)
	}
}

// requireServes demands that a service has the rows, under this limit and no other.
func requireServes(t *testing.T, v *limiter.Service, limit string, want map[string]limiter.Record) {
	t.Helper()
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
