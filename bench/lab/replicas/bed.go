//go:build linux

package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store/postgres"
	"gopher-equalizer/store/postgres/pgtest"
)

// bed is a PostgreSQL server of our own, in which many buckets exist.
type bed struct {
	postgres *pgtest.Cluster
	conn     *pgx.Conn // for looking at the server
	buckets  int
}

// schema is where the buckets are, and limitName and fingerprint are of the limit that they are of.
const schema, limitName, fingerprint = "shared", "api", "header"

// timeout and ttl are the defaults of store.timeout and lease_ttl, and wait that of lease_wait.
const timeout, ttl, wait = 5 * time.Second, 10 * time.Second, 250 * time.Millisecond

// numbers are such that nobody is refused, and no bucket gets full.
func numbers() gcra.Settings {
	return gcra.Settings{Capacity: 100_000_000, Refill: gcra.Refill{Amount: 100, Per: time.Second}}
}

// openBed starts the server and fills it. Like one that serves, it has room for all buckets, and
// vacuums by itself.
func openBed(ctx context.Context, buckets int) (*bed, error) {
	cluster, err := pgtest.Start("shared_buffers=1GB", "autovacuum=on")
	if err != nil {
		return nil, err
	}
	b := &bed{postgres: cluster, buckets: buckets}
	if err := b.fill(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bed) close() {
	if b.conn != nil {
		_ = b.conn.Close(context.Background())
	}
	b.postgres.Close()
}

// ledger connects to the server.
func (b *bed) ledger(ctx context.Context) (*postgres.Ledger, error) {
	at, err := url.Parse(b.postgres.URL(""))
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		return nil, err
	}
	ledger, err := postgres.NewLedger(postgres.Options{
		Host: at.Hostname(), Port: port, User: at.User.Username(), DBName: "postgres", SSLMode: "disable", Schema: schema,
		ConnectTimeout: timeout, Timeout: timeout, Logger: zerolog.Nop(),
	})
	if err != nil {
		return nil, err
	}
	return ledger, ledger.Connect(ctx)
}

// fill makes the tables and the buckets, which are half full.
func (b *bed) fill(ctx context.Context) (err error) {
	ledger, err := b.ledger(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = ledger.Close() }()
	namespace, err := ledger.Enter(ctx, limitName, fingerprint)
	if err != nil {
		return err
	}
	if b.conn, err = pgx.Connect(ctx, b.postgres.URL("")); err != nil {
		return err
	}
	n := numbers()
	_, err = b.conn.Exec(ctx, `WITH s AS (INSERT INTO shared.settings (capacity, refill, kind) VALUES ($1, $2, 0) RETURNING id)
		INSERT INTO shared.buckets (namespace, client_id, managed, settings_id, tokens, counted_at)
		SELECT $3, 'client-' || lpad(i::text, 8, '0'), false, s.id, $4, now() FROM s, generate_series(0, $5::integer - 1) AS i`,
		n.Capacity, n.Refill.String(), int32(namespace), float64(n.Capacity)/2, b.buckets)
	if err != nil {
		return fmt.Errorf("fill the table of buckets: %w", err)
	}
	_, err = b.conn.Exec(ctx, "VACUUM ANALYZE shared.buckets")
	return err
}

// client is one of those that have a bucket. The first ones are all over the table.
func (b *bed) client(i int) string {
	const prime = 15_485_863
	return fmt.Sprintf("client-%08d", i*prime%b.buckets)
}

// clients are the first ones.
func (b *bed) clients(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = b.client(i)
	}
	return all
}

// limiterOptions are those of a replica.
func limiterOptions(replica *lease.Replica, wait time.Duration) limiter.Options {
	return limiter.Options{
		Limits: []limiter.LimitOptions{{
			Name: limitName, Fingerprint: fingerprint, Settings: numbers(), MaxBuckets: 1 << 30,
			Sharing: &limiter.Sharing{Leasing: lease.Ahead, Wait: wait, OnLoss: lease.Refuse},
		}},
		FlushInterval: time.Second, StoreTimeout: timeout, Replica: replica, Logger: zerolog.Nop(),
	}
}

func leaseOptions(name string, interval time.Duration) lease.Options {
	return lease.Options{
		As:       lease.Member{Name: name, Host: "localhost", PID: os.Getpid()},
		Interval: interval, TTL: max(ttl, 3*interval), Timeout: timeout,
		Clock: limiter.SystemClock(), Logger: zerolog.Nop(),
	}
}
