package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gopher-equalizer/store/blob"
	"gopher-equalizer/store/internal/gate"
)

// Blobs implements store.Blobs with tables beside those of the buckets, over its own connection. It
// needs no claim to the schema, since revisions and locks order the writers.
type Blobs struct {
	password
	o    Options
	gate *gate.Gate

	// The call that the gate admitted owns the following fields.
	conn *pgx.Conn // nil: there is none
	made bool      // whether the tables are there
}

// NewBlobs returns Blobs that connect when they are first used. Its errors are about the options.
// It ignores Options.ConnectTimeout, since calls have contexts of their own.
func NewBlobs(o Options) (*Blobs, error) {
	if err := o.check(); err != nil {
		return nil, o.explain(err)
	}
	return &Blobs{o: o, gate: gate.New()}, nil
}

// Close implements store.Blobs. It fails only if a call in progress doesn't end.
func (b *Blobs) Close() error {
	return b.o.explain(b.gate.Close(b.o.Timeout, func() error {
		b.drop()
		return nil
	}))
}

func (b *Blobs) drop() {
	if b.conn != nil {
		abandon(b.conn)
		b.conn = nil
	}
}

// makeTables may run in two processes at once, so createTables takes a lock.
const makeTables = `
	CREATE SEQUENCE IF NOT EXISTS blob_revisions;
	CREATE TABLE IF NOT EXISTS blobs (
		key text COLLATE "C" PRIMARY KEY,
		value bytea NOT NULL,
		revision bigint NOT NULL DEFAULT nextval('blob_revisions')
	);
	CREATE TABLE IF NOT EXISTS blob_locks (
		name text COLLATE "C" PRIMARY KEY,
		owner text NOT NULL,
		until timestamptz NOT NULL
	)`

// connect makes a connection, and the tables if they are missing.
func (b *Blobs) connect(ctx context.Context) error {
	config, err := b.config(b.o)
	if err != nil {
		return err
	}
	conn, err := b.o.dial(ctx, config)
	if err != nil {
		return err
	}
	b.conn = conn
	if err := b.o.setUp(ctx, conn); err != nil || b.made {
		return err
	}
	if err := b.createTables(ctx); err != nil {
		return err
	}
	b.made = true
	return nil
}

// createTables looks first: creating needs a privilege on the schema, even if there is nothing to
// do.
func (b *Blobs) createTables(ctx context.Context) error {
	exists := false
	err := b.conn.QueryRow(ctx, "SELECT to_regclass('blob_locks') IS NOT NULL").Scan(&exists)
	if err != nil || exists {
		return wrapf(err, "look for the tables of blobs")
	}
	err = pgx.BeginFunc(ctx, b.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", b.o.blobsLockKey()); err != nil {
			return err
		}
		if err := createSchema(ctx, tx, b.o); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, makeTables)
		return err
	})
	return wrapf(err, "make the tables of blobs")
}

// call lets f use the connection. A connection that was idle may be broken, and only using it shows
// that. So call pings it first: a write over a broken connection would be in doubt.
func (b *Blobs) call(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, cancel, err := b.gate.Enter(ctx)
	if err != nil {
		return b.o.explain(err)
	}
	defer cancel()
	defer b.gate.Leave()
	if b.conn != nil && b.conn.Ping(ctx) != nil {
		b.drop()
	}
	err = b.use(ctx, f)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return b.o.explain(err)
}

func (b *Blobs) use(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	if b.conn == nil {
		if err := b.connect(ctx); err != nil {
			b.drop()
			return err
		}
	}
	err := f(ctx, b.conn)
	if ctx.Err() != nil || b.conn.IsClosed() {
		b.drop()
	}
	return err
}

// written is the error of a statement that writes. The write is in doubt unless the server refused
// it, or nothing of it was sent.
func written(err error) error {
	if err == nil || errors.Is(err, pgx.ErrNoRows) || pgconn.SafeToRetry(err) {
		return err
	}
	if c := code(err); c != "" && c != completionUnknown && class(c) != connectionClass {
		return err
	}
	return fmt.Errorf("%w: %w", blob.ErrInDoubt, err)
}

// Get implements store.Blobs.
func (b *Blobs) Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, 0, err
	}
	err = b.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		row := conn.QueryRow(ctx, "SELECT value, revision FROM blobs WHERE key = $1", key)
		if err := row.Scan(&value, &at); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return blob.ErrNotFound
	})
	return value, at, err
}

// Put implements store.Blobs.
func (b *Blobs) Put(
	ctx context.Context, key string, value []byte, at blob.Revision,
) (now blob.Revision, err error) {
	if err := blob.CheckPut(key, value); err != nil {
		return 0, err
	}
	statement, args := putStatement(at), []any{key, append([]byte{}, value...)}
	if at > blob.None {
		args = append(args, at)
	}
	err = b.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := written(conn.QueryRow(ctx, statement, args...).Scan(&now))
		if errors.Is(err, pgx.ErrNoRows) {
			return blob.ErrRevision
		}
		return err
	})
	return now, err
}

// putStatement returns the new revision, or no row if the key is at another one.
func putStatement(at blob.Revision) string {
	switch at {
	case blob.Any:
		return `INSERT INTO blobs (key, value) VALUES ($1, $2)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision RETURNING revision`
	case blob.None:
		return "INSERT INTO blobs (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING RETURNING revision"
	}
	return `UPDATE blobs SET value = $2, revision = nextval('blob_revisions')
		WHERE key = $1 AND revision = $3 RETURNING revision`
}

// Delete implements store.Blobs.
func (b *Blobs) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	_, err := b.write(ctx, "DELETE FROM blobs WHERE key = $1", key)
	return err
}

// write runs a statement, and returns how many rows it changed.
func (b *Blobs) write(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	err = b.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, statement, args...)
		rows = tag.RowsAffected()
		return written(err)
	})
	return rows, err
}

// List implements store.Blobs.
func (b *Blobs) List(ctx context.Context, prefix string) (infos []blob.Info, err error) {
	err = b.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		// The order of "C" is that of bytes, so keys that begin with the prefix come at and behind
		// it.
		rows, err := conn.Query(ctx, `SELECT key, revision, octet_length(value) FROM blobs
			WHERE key >= $1 AND starts_with(key, $1) ORDER BY key`, asText(prefix))
		if err != nil {
			return err
		}
		infos, err = pgx.CollectRows(rows, pgx.RowToStructByPos[blob.Info])
		return err
	})
	infos = slices.DeleteFunc(infos, func(i blob.Info) bool { return !strings.HasPrefix(i.Key, prefix) })
	return infos, err
}

// asText is what the server can take of a prefix. Every key that has the prefix has this one, too:
// the prefix may end within a character, and no key has what else is left out.
func asText(prefix string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(prefix, "\x00", ""), "")
}

// Lock implements store.Blobs. Its times are the server's.
func (b *Blobs) Lock(ctx context.Context, name, owner string, ttl time.Duration) error {
	if err := errors.Join(blob.CheckKey(name), blob.CheckKey(owner)); err != nil {
		return err
	}
	rows, err := b.write(ctx, `INSERT INTO blob_locks AS held VALUES ($1, $2, clock_timestamp() + $3)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
		WHERE held.owner = excluded.owner OR held.until <= clock_timestamp()`, name, owner, ttl)
	if err == nil && rows == 0 {
		return blob.ErrLocked
	}
	return err
}

// Unlock implements store.Blobs.
func (b *Blobs) Unlock(ctx context.Context, name, owner string) error {
	if err := errors.Join(blob.CheckKey(name), blob.CheckKey(owner)); err != nil {
		return err
	}
	_, err := b.write(ctx, "DELETE FROM blob_locks WHERE name = $1 AND owner = $2", name, owner)
	return err
}
