package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"gopher-equalizer/store"
)

// session is one connection that holds the schema.
type session struct {
	conn  *pgx.Conn
	epoch int64 // this connection's, in the writer's row
	// ids of the settings that are known to be stored
	settings map[settings]int32
	// replicas are those that shared the schema before. All are dead.
	replicas roster
}

// Connect returns once the store is connected and has claimed the schema. It retries for up to
// Options.ConnectTimeout, unless IsFinal reports that this can't help.
func (s *Store) Connect(ctx context.Context) error {
	return s.o.keepTrying(ctx, func(ctx context.Context) error {
		return s.call(ctx, func(context.Context, *session) error { return nil })
	})
}

// keepTrying calls try until it succeeds, fails for good, or ConnectTimeout is over. If another
// process holds the schema, try has waited for it.
func (o Options) keepTrying(ctx context.Context, try func(context.Context) error) error {
	if o.ConnectTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.ConnectTimeout)
		defer cancel()
	}
	var last error
	for attempt := 0; ; attempt++ {
		err := try(ctx)
		switch {
		case err == nil || IsFinal(err) || errors.Is(err, store.ErrClosed):
			return err
		case ctx.Err() != nil && last != nil && errors.Is(err, context.Cause(ctx)):
			return last // this attempt's error is only that there was no time left
		case ctx.Err() != nil:
			return err
		case last == nil:
			o.Logger.Warn().Err(err).Stringer("connect_timeout", o.ConnectTimeout).Msg("waiting for PostgreSQL")
		}
		last = err
		if errors.Is(err, store.ErrHeld) {
			continue
		}
		select {
		case <-time.After(backoff(attempt)):
		case <-ctx.Done():
			return last
		}
	}
}

// backoff doubles from a tenth of a second to 2 seconds. Up to half of it is subtracted at random,
// so that replicas don't come back to a database all at once.
func backoff(attempt int) time.Duration {
	full := min(100*time.Millisecond<<min(attempt, 10), 2*time.Second)
	return full/2 + rand.N(full/2)
}

// dialing marks the context of a Connect. To cancel a statement on a broken connection, pgx dials
// another one, from a goroutine that lives for 15 seconds. claim takes care of broken connections,
// so that dial is refused.
type dialing struct{}

var errNoCancel = errors.New("no cancel request is sent")

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx.Value(dialing{}) == nil {
		return nil, errNoCancel
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// closeOnCancel cuts the connection when the context of a call ends. The call then has no further
// effect, and no goroutine of pgx waits for the server in vain.
type closeOnCancel struct{ conn net.Conn }

func (c closeOnCancel) HandleCancel(context.Context) { _ = c.conn.Close() }

func (c closeOnCancel) HandleUnwatchAfterCancel() {}

// rawConn is the TCP connection: closing the TLS one would send a message first.
func rawConn(conn net.Conn) net.Conn {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return wrapped.NetConn()
	}
	return conn
}

// connect makes a connection, and claims the schema.
func (s *Store) connect(ctx context.Context) (*session, error) {
	config, err := s.config(s.o)
	if err != nil {
		return nil, err
	}
	conn, err := s.o.dial(ctx, config)
	if err != nil {
		return nil, err
	}
	c := &session{conn: conn, settings: map[settings]int32{}}
	if err := s.checkPooler(ctx, c, config); err != nil {
		c.abandon()
		return nil, err
	}
	if err := s.claim(ctx, c); err != nil {
		c.abandon()
		return nil, err
	}
	return c, nil
}

// dial makes a connection.
func (o Options) dial(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, dialing{}, true), o.Timeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, config)
}

// abandon cuts the connection without telling the server.
func (c *session) abandon() { abandon(c.conn) }

func abandon(conn *pgx.Conn) { _ = rawConn(conn.PgConn().Conn()).Close() }

// config is pgx's configuration. The password isn't in the text that pgx parses, since pgx may
// quote that text in an error.
func (o Options) config() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(keywords(
		"host", o.Host, "port", strconv.Itoa(o.Port), "user", o.User, "dbname", o.DBName, "sslmode", o.SSLMode))
	if err != nil {
		return nil, errFinal{err}
	}
	if o.Password != "" {
		config.Password = o.Password
	}
	config.DialFunc = dial
	config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return closeOnCancel{rawConn(c.Conn())}
	}
	// PgBouncer refuses other settings, or drops them silently. setUp sets them.
	config.RuntimeParams = map[string]string{"application_name": "gopher-equalizer", "timezone": "UTC"}
	return config, nil
}

// setUp sets what a session runs with. It also overrides defaults of the server that the store
// can't work with: commits that aren't durable, and a timeout that ends idle sessions, and so
// releases the lock.
func (o Options) setUp(ctx context.Context, conn *pgx.Conn) error {
	names, values := o.settings()
	_, err := conn.Exec(ctx, `SELECT set_config(name, value, false)
		FROM unnest($1::text[], $2::text[]) AS setting (name, value)`, names, values)
	if err == nil {
		_, err = conn.Exec(ctx, `
			SELECT set_config(name, CASE name WHEN 'synchronous_commit' THEN 'on' ELSE '0' END, false)
			FROM pg_settings
			WHERE name = 'synchronous_commit' AND setting = 'off' OR name = 'idle_session_timeout'`)
	}
	return wrapf(err, "set up the connection")
}

// settings are those of a session.
func (o Options) settings() (names, values []string) {
	timeout := strconv.FormatInt(max(1, o.Timeout.Milliseconds()), 10)
	pairs := []string{
		"search_path", pgx.Identifier{o.Schema}.Sanitize(),
		// A plan made for the arrays of one batch could read the whole table.
		"plan_cache_mode", "force_generic_plan",
		// A transaction that we leave behind must not run for ever or hold a lock.
		"statement_timeout", timeout,
		"lock_timeout", timeout,
		"idle_in_transaction_session_timeout", timeout,
		// The server should find out soon that we are gone, and release our lock.
		"tcp_user_timeout", timeout,
		"tcp_keepalives_idle", "10",
		"tcp_keepalives_interval", "5",
		"tcp_keepalives_count", "3",
	}
	for i := 0; i < len(pairs); i += 2 {
		names, values = append(names, pairs[i]), append(values, pairs[i+1])
	}
	return names, values
}

// keywords writes libpq's connection string, with every value quoted.
func keywords(pairs ...string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%s='%s' ", pairs[i], quote.Replace(pairs[i+1]))
	}
	return b.String()
}

// check finds mistakes that the server couldn't or wouldn't report.
func (o Options) check() error {
	if len(o.Schema) < 1 || len(o.Schema) > 63 || strings.ContainsRune(o.Schema, 0) {
		return errFinal{fmt.Errorf("schema %q: want 1 to 63 bytes", o.Schema)}
	}
	if o.Schema == "$user" {
		return errFinal{fmt.Errorf("schema %q: to PostgreSQL this stands for the schema named like the user, even in quotes; want a name", o.Schema)}
	}
	_, err := o.config()
	return err
}

// lockKey is the schema's advisory lock. Each database has its own.
func (o Options) lockKey() int64 { return hashOf("gopher-equalizer/" + o.Schema) }

func hashOf(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return int64(h.Sum64())
}
