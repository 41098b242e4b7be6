package postgres

import (
	"context"
	"errors"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

// server is shared by the tests of this package.
var server pgtest.Server

func TestMain(m *testing.M) {
	if schema := os.Getenv(holdVariable); schema != "" {
		hold(schema)
	}
	code := m.Run()
	server.Close()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error())
		code = 1
	}
	os.Exit(code)
}

// at are the options for a URL of pgtest's.
func at(t testing.TB, text string) Options {
	t.Helper()
	o, err := parse(text)
	require.NoError(t, err)
	return o
}

func parse(text string) (Options, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Options{}, err
	}
	config, err := pgx.ParseConfig("postgres://" + u.Host + u.Path)
	if err != nil {
		return Options{}, err
	}
	password, _ := u.User.Password()
	return Options{
		Host: config.Host, Port: int(config.Port), User: u.User.Username(), Password: password, DBName: config.Database,
		SSLMode: u.Query().Get("sslmode"), Schema: u.Query().Get("schema"),
		ConnectTimeout: 20 * time.Second, Timeout: 10 * time.Second, Logger: zerolog.Nop(),
	}, nil
}

// open opens a store for the length of a test.
func open(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := connected(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// within is a context that ends soon.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func put(records ...limiter.Record) limiter.Batch { return limiter.Batch{Puts: records} }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		schema := server.Schema(t)
		o := at(t, schema)
		return storetest.Place{
			Open:    func(ctx context.Context) (limiter.Store, error) { return connected(ctx, o) },
			Durable: true,
			Stall:   func(t *testing.T, _ limiter.Store) func() { return lockTables(t, schema) },
		}
	})
}

// lockTables makes every statement wait that touches the buckets or the writer.
func lockTables(t *testing.T, schema string) (release func()) {
	t.Helper()
	tx, err := pgtest.Connect(t, schema).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE buckets, namespaces, writer IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback(context.Background())) }
}

func TestAnUnreadableRowIsNamed(t *testing.T) {
	f := func(damage string, why ...string) {
		t.Helper()
		schema := server.Schema(t)
		s := open(t, at(t, schema))
		storetest.Write(t, s, put(storetest.Record("alice", 1)))
		_, err := pgtest.Connect(t, schema).Exec(t.Context(), damage)
		require.NoError(t, err)
		_, _, getErr := s.Get(t.Context(), storetest.Keys("alice")[0])
		loadErr := s.Load(t.Context(), 1, func(limiter.Record) error { return nil })
		for _, err := range []error{getErr, loadErr} {
			require.ErrorContains(t, err, `client "alice"`)
			for _, part := range why {
				require.ErrorContains(t, err, part)
			}
		}
	}
	f("DELETE FROM settings", "its row of settings is gone")
	f("UPDATE settings SET refill = 'often'", `refill "often"`, "want AMOUNT/DURATION")
	f("UPDATE settings SET capacity = 0", "capacity 0 is below 1")
	f("UPDATE buckets SET tokens = '-Infinity'", "-Inf tokens can't be")
	f("UPDATE buckets SET tokens = 'NaN'", "NaN tokens can't be")
}

func TestSettingsAreStoredOnce(t *testing.T) {
	schema := server.Schema(t)
	s := open(t, at(t, schema))
	records := storetest.Records(100)
	for i := range records {
		records[i].Settings.Capacity = int64(100 + i%3)
	}
	storetest.Write(t, s, put(records...))
	require.NoError(t, s.Close())
	s = open(t, at(t, schema)) // which knows no ids
	storetest.Write(t, s, put(records...))
	count := 0
	require.NoError(t, pgtest.Connect(t, schema).QueryRow(t.Context(), "SELECT count(*) FROM settings").Scan(&count))
	require.Equal(t, 3, count)
	require.Len(t, storetest.Load(t, s), len(records))
}

// Repeated flushes touch no index and need no more room.
func TestFlushesAreHOTUpdates(t *testing.T) {
	schema := server.Schema(t)
	s := open(t, at(t, schema))
	records := storetest.Records(1000)
	storetest.Write(t, s, put(records...))
	const flushes, busy = 10, 5 // one client in five spends between two flushes
	for i := range flushes {
		var dirty []limiter.Record
		for j := i % busy; j < len(records); j += busy {
			records[j].Tokens, records[j].At = float64(i), records[j].At.Add(time.Second)
			dirty = append(dirty, records[j])
		}
		storetest.Write(t, s, put(dirty...))
	}
	require.NoError(t, s.Close()) // reports what it counted
	conn := pgtest.Connect(t, schema)
	var updated, hot int
	require.Eventually(t, func() bool {
		err := conn.QueryRow(t.Context(), "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = current_schema() AND relname = 'buckets'").Scan(&updated, &hot)
		require.NoError(t, err)
		return updated == flushes*len(records)/busy
	}, 20*time.Second, 10*time.Millisecond, "%d updates", updated)
	require.Greater(t, float64(hot), 0.9*float64(updated))
}

func TestOptionsThatAreRefused(t *testing.T) {
	f := func(change func(o *Options), why string) {
		t.Helper()
		o := Options{Host: "db", Port: 5432, User: "u", Password: "hush", DBName: "d", SSLMode: "disable", Schema: "s", Timeout: time.Second}
		change(&o)
		_, err := New(o)
		require.ErrorContains(t, err, why)
		require.NotContains(t, err.Error(), "hush")
		require.True(t, IsFinal(err))
	}
	f(func(o *Options) { o.Schema = "" }, "want 1 to 63 bytes")
	f(func(o *Options) { o.Schema = "s\x00" }, "want 1 to 63 bytes")
	f(func(o *Options) { o.Schema = "$user" }, `schema "$user": to PostgreSQL this stands for the schema named like the user, even in quotes; want a name`)
	f(func(o *Options) { o.SSLMode = "maybe" }, "sslmode")
	f(func(o *Options) { o.Port = 70_000 }, "port")
}

// connected is New and Connect.
func connected(ctx context.Context, o Options) (*Store, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := s.Connect(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
