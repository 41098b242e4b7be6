package postgres

import (
	"context"
	"fmt"
	"net"
	"strings"
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

// openError is Open's error. It has one line, names the database, and doesn't have the password.
func openError(t *testing.T, o Options) error {
	t.Helper()
	s, err := connected(t.Context(), o)
	require.Error(t, err)
	require.Nil(t, s)
	require.ErrorContains(t, err, "postgres "+o.database()+", schema "+o.Schema+": ")
	require.NotContains(t, err.Error(), "\n")
	if o.Password != "" {
		require.NotContains(t, err.Error(), o.Password)
	}
	return err
}

func TestErrorsThatTimeDoesNotMend(t *testing.T) {
	cluster := server.Cluster(t)
	admin := pgtest.Connect(t, cluster.URL(""))
	run := func(sql string) {
		t.Helper()
		_, err := admin.Exec(context.Background(), sql)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		run("DROP SCHEMA clerks CASCADE")
		run("DROP ROLE clerk, " + pgtest.PasswordRole)
	})
	run("CREATE ROLE " + pgtest.PasswordRole)
	run("CREATE ROLE clerk LOGIN PASSWORD 'right' IN ROLE " + pgtest.PasswordRole)
	o := at(t, cluster.URL("clerks"))
	o.ConnectTimeout = time.Minute // which must not pass
	f := func(change func(o *Options), why ...string) {
		t.Helper()
		o := o
		change(&o)
		start := time.Now()
		err := openError(t, o)
		require.True(t, IsFinal(err), "%v", err)
		require.Less(t, time.Since(start), 20*time.Second)
		for _, part := range why {
			require.ErrorContains(t, err, part)
		}
	}
	clerk := func(o *Options) { o.User, o.Password = "clerk", "right" }
	f(func(o *Options) { o.User, o.Password = "clerk", "wr0ng'\\ secret" }, `authentication failed for user "clerk"`, "check the user and the password")
	f(func(o *Options) { o.User = "nobody_known" }, `role "nobody_known" does not exist`)
	f(func(o *Options) { o.DBName = "missing" }, `database "missing" does not exist`, `CREATE DATABASE "missing"`)
	f(clerk, "permission denied for database postgres", `CREATE SCHEMA "clerks" AUTHORIZATION "clerk"`)

	run("CREATE SCHEMA clerks")
	f(clerk, `the role "clerk" needs CONNECT on the database, USAGE and CREATE on the schema`)
	run("ALTER SCHEMA clerks OWNER TO clerk")
	clerk(&o)
	s := open(t, o)
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	require.NoError(t, s.Close())

	run("INSERT INTO clerks.schema_version VALUES (99)")
	f(func(*Options) {}, "newer version of this program: its schema is 99, and this one knows up to 5; upgrade")
}

func TestOldServersAreRefused(t *testing.T) {
	require.NoError(t, checkVersion(150_000, "15.0"))
	err := checkVersion(140_020, "14.20")
	require.EqualError(t, err, "the server is PostgreSQL 14.20; want 15 or newer")
	require.True(t, IsFinal(err))
}

// A client_id that the database can't store would keep all others from being stored, too.
func TestDatabasesWithoutUnicodeAreRefused(t *testing.T) {
	cluster := server.Cluster(t)
	db := pgtest.Connect(t, cluster.URL(""))
	for encoding, refused := range map[string]bool{"LATIN1": true, "SQL_ASCII": false, "UTF8": false} {
		name := "with_" + strings.ToLower(encoding)
		_, err := db.Exec(t.Context(), fmt.Sprintf("CREATE DATABASE %s ENCODING '%s' LOCALE 'C' TEMPLATE template0", name, encoding))
		require.NoError(t, err)
		o := at(t, cluster.URL("own"))
		o.DBName = name
		s, ofStore := connected(t.Context(), o)
		o.Schema = "shared"
		l, err := NewLedger(o)
		require.NoError(t, err)
		ofLedger := l.Connect(t.Context())
		if refused {
			const why = "the database's encoding is LATIN1, which lacks characters that client_ids may have"
			require.ErrorContains(t, ofStore, why)
			require.ErrorContains(t, ofLedger, why)
			require.True(t, IsFinal(ofStore) && IsFinal(ofLedger))
		} else {
			require.NoError(t, ofStore)
			require.NoError(t, ofLedger)
			require.NoError(t, s.Close())
		}
		require.NoError(t, l.Close())
	}
}

// silent is a server that takes connections and sends nothing.
func silent(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

func TestErrorsThatTimeMayMend(t *testing.T) {
	o := Options{
		Host: "127.0.0.1", User: "u", Password: "hush", DBName: "d", SSLMode: "disable", Schema: "s",
		ConnectTimeout: 300 * time.Millisecond, Timeout: 10 * time.Second, Logger: zerolog.Nop(),
	}
	f := func(change func(o *Options), why string) {
		t.Helper()
		o := o
		change(&o)
		start := time.Now()
		err := openError(t, o)
		require.GreaterOrEqual(t, time.Since(start), 100*time.Millisecond, "it was not tried again")
		require.Less(t, time.Since(start), 5*time.Second)
		require.False(t, IsFinal(err))
		require.ErrorContains(t, err, why)
	}
	f(func(o *Options) { o.Port = 1 }, "connection refused")
	f(func(o *Options) { o.Host, o.Port = "name.invalid", 5432 }, "name.invalid")
	f(func(o *Options) { o.Host, o.Port = "/nowhere", 5432 }, "no such file or directory")
	f(func(o *Options) { o.Port = silent(t) }, "the server did not respond in time")
	f(func(o *Options) { o.Port, o.Timeout = silent(t), 50*time.Millisecond }, "the server did not respond in time")
}

func TestOpenEndsWithItsContext(t *testing.T) {
	o := Options{
		Host: "127.0.0.1", Port: 1, User: "u", DBName: "d", SSLMode: "disable", Schema: "s",
		ConnectTimeout: time.Hour, Timeout: time.Hour,
	}
	start := time.Now()
	_, err := connected(within(t, 300*time.Millisecond), o)
	require.ErrorContains(t, err, "connection refused", "the reason, not that time is up")
	o.Port = silent(t)
	_, err = connected(within(t, 100*time.Millisecond), o)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestOpenWaitsForTheServer(t *testing.T) {
	cluster := server.Cluster(t)
	require.NoError(t, cluster.Stop())
	o := at(t, cluster.URL("waited_for"))
	logged := make(chan string, 10)
	o.Logger = zerolog.New(lines(logged))
	opened := make(chan error, 1)
	go func() {
		s, err := connected(t.Context(), o)
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	line := <-logged
	require.Contains(t, line, "waiting for PostgreSQL")
	require.Contains(t, line, cluster.Address())
	require.Contains(t, line, "connection refused")
	require.NoError(t, cluster.Run())
	require.NoError(t, <-opened)
	require.Empty(t, logged, "it says so once")
}

func TestAStoreThatConnectsLater(t *testing.T) {
	cluster := server.Cluster(t)
	require.NoError(t, cluster.Stop())
	s, err := New(at(t, cluster.URL("later")))
	require.NoError(t, err)
	defer s.Close()
	_, _, err = s.Get(t.Context(), storetest.Keys("alice")[0])
	require.ErrorContains(t, err, "connection refused")
	require.NoError(t, cluster.Run())
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	require.Len(t, storetest.Load(t, s), 1)
}

// The next call finds a server that went and came back, without a second try.
func TestTheNextCallReconnects(t *testing.T) {
	cluster := server.Cluster(t)
	s := open(t, at(t, cluster.URL("restarted")))
	for name, end := range map[string]func() error{"restart": cluster.Stop, "crash": cluster.Crash} {
		tokens := 0.0
		for _, call := range []func(){
			func() { storetest.Write(t, s, put(storetest.Record("alice", 5))) },
			func() { r, _ := storetest.Get(t, s, "alice"); tokens = r.Tokens },
			func() { tokens = storetest.Load(t, s)["alice"].Tokens },
		} {
			require.NoError(t, end(), name)
			require.NoError(t, cluster.Run(), name)
			call()
		}
		require.Equal(t, 5.0, tokens)
	}
}

func TestAServerThatIsStopped(t *testing.T) {
	cluster := server.Cluster(t)
	s := open(t, at(t, cluster.URL("stopped")))
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	require.NoError(t, cluster.Stop())
	for range 2 {
		err := s.Write(t.Context(), put(storetest.Record("alice", 2)))
		require.ErrorContains(t, err, "postgres "+cluster.Address()+"/postgres, schema stopped: ")
		require.ErrorContains(t, err, "connection refused")
		require.NotErrorIs(t, err, limiter.ErrInDoubt, "nothing was sent")
	}
	require.NoError(t, cluster.Run())
	require.Equal(t, 1.0, storetest.Load(t, s)["alice"].Tokens)
}

// A server that doesn't respond holds no call beyond its context, and is as before when it responds
// again.
func TestAFrozenServer(t *testing.T) {
	cluster := server.Cluster(t)
	t.Cleanup(func() { require.NoError(t, cluster.Thaw()) })
	s := open(t, at(t, cluster.URL("frozen")))
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	for _, idle := range []bool{true, false} { // with a connection, then without one
		before := goleak.IgnoreCurrent()
		require.NoError(t, cluster.Freeze())
		for name, call := range map[string]func(context.Context) error{
			"Get":   func(ctx context.Context) error { _, _, err := s.Get(ctx, storetest.Keys("alice")[0]); return err },
			"Load":  func(ctx context.Context) error { return s.Load(ctx, 1, func(limiter.Record) error { return nil }) },
			"Write": func(ctx context.Context) error { return s.Write(ctx, put(storetest.Record("alice", 1))) },
		} {
			start := time.Now()
			err := call(within(t, 100*time.Millisecond))
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.NotErrorIs(t, err, limiter.ErrInDoubt, "no COMMIT was sent")
			require.ErrorContains(t, err, "the server did not respond in time")
			require.Less(t, time.Since(start), 3*time.Second, name)
		}
		goleak.VerifyNone(t, before) // nothing waits for the server
		require.NoError(t, cluster.Thaw())
		if idle {
			_, ok := storetest.Get(t, s, "alice")
			require.True(t, ok)
		}
	}
	storetest.Write(t, s, put(storetest.Record("alice", 2)))
	require.Equal(t, 2.0, storetest.Load(t, s)["alice"].Tokens)
}

func TestCloseOfAFrozenServer(t *testing.T) {
	cluster := server.Cluster(t)
	s := open(t, at(t, cluster.URL("frozen_close")))
	require.NoError(t, cluster.Freeze())
	defer func() { require.NoError(t, cluster.Thaw()) }()
	start := time.Now()
	require.NoError(t, s.Close())
	require.Less(t, time.Since(start), 3*time.Second)
}

// The server bounds what we may leave behind in it.
func TestSessionSettings(t *testing.T) {
	o := at(t, server.Cluster(t).URL("settings")) // over TCP
	o.Timeout = 7500 * time.Millisecond
	s := open(t, o)
	f := func(name, want string) {
		t.Helper()
		var got string
		require.NoError(t, s.session.conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got))
		require.Equal(t, want, got, name)
	}
	f("application_name", "gopher-equalizer")
	f("statement_timeout", "7500ms")
	f("lock_timeout", "7500ms")
	f("idle_in_transaction_session_timeout", "7500ms")
	f("tcp_user_timeout", "7500")
	f("tcp_keepalives_idle", "10")
	f("tcp_keepalives_interval", "5")
	f("tcp_keepalives_count", "3")
	f("TimeZone", "UTC")
	f("synchronous_commit", "on")
	f("search_path", pgx.Identifier{o.Schema}.Sanitize())
}

func TestDefaultsOfTheServerThatAreUndone(t *testing.T) {
	cluster := server.Cluster(t)
	admin := pgtest.Connect(t, cluster.URL(""))
	run := func(sql string) {
		t.Helper()
		_, err := admin.Exec(context.Background(), sql)
		require.NoError(t, err)
	}
	run("CREATE ROLE hasty LOGIN; GRANT CREATE ON DATABASE postgres TO hasty; ALTER ROLE hasty SET idle_session_timeout = '1min'")
	t.Cleanup(func() { run("DROP SCHEMA hasty CASCADE; DROP OWNED BY hasty; DROP ROLE hasty") })
	o := at(t, cluster.URL("hasty"))
	o.User = "hasty"
	f := func(given, want string) {
		t.Helper()
		run("ALTER ROLE hasty SET synchronous_commit = " + given)
		s := open(t, o)
		defer s.Close()
		for name, want := range map[string]string{"synchronous_commit": want, "idle_session_timeout": "0"} {
			var got string
			require.NoError(t, s.session.conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got))
			require.Equal(t, want, got, name)
		}
	}
	f("off", "on")
	f("local", "local") // which is durable, and the operator's choice
	f("remote_apply", "remote_apply")
}

func TestASchemaMayHaveAnyName(t *testing.T) {
	cluster := server.Cluster(t)
	for _, schema := range []string{`it's "odd"`, "$users", "$User", "UPPER", "a.b", strings.Repeat("é", 31)} {
		o := at(t, cluster.URL("x"))
		o.Schema = schema
		s := open(t, o)
		storetest.Write(t, s, put(storetest.Record("alice", 1)))
		require.NoError(t, s.Close())
		require.Len(t, storetest.Load(t, open(t, o)), 1)
	}
}
