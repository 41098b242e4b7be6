package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gopher-equalizer/store/blob"
)

// Blobs implements store.Blobs with tables beside those of the buckets, over its own connection. It
// needs no claim to the schema, since revisions and locks order the writers. Nor does it need a
// session: a connection pooler may give each call another server process.
type Blobs struct {
	pool
	made atomic.Bool // whether the tables are there
}

// NewBlobs returns Blobs that connect when they are first used. Its errors are about the options.
// It ignores Options.ConnectTimeout, since calls have contexts of their own.
func NewBlobs(o Options) (*Blobs, error) {
	if err := o.check(); err != nil {
		return nil, o.explain(err)
	}
	return &Blobs{pool: newPool(o, 1, blob.ErrInDoubt)}, nil
}

// Close implements store.Blobs. It fails only if a call in progress doesn't end.
func (b *Blobs) Close() error { return b.close() }

// createTables looks first: creating needs a privilege on the schema, even if there is nothing to
// do. Two processes may create them at once. One of them then fails, and finds the tables.
func (b *Blobs) createTables(ctx context.Context, conn *pgx.Conn) error {
	for {
		exists := false
		err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", b.o.in("@.blob_locks")).Scan(&exists)
		if err != nil || exists {
			return wrapf(err, "look for the tables of blobs")
		}
		if err = createSchema(ctx, conn, b.o); err == nil {
			err = b.queueTables().commit(ctx, conn)
		}
		if err != nil && !isDuplicate(err) {
			return wrapf(err, "make the tables of blobs")
		}
	}
}

func (b *Blobs) queueTables() *batch {
	work := b.begin()
	work.Queue("SET LOCAL search_path = " + pgx.Identifier{b.o.Schema}.Sanitize())
	work.Queue("CREATE SEQUENCE IF NOT EXISTS blob_revisions")
	work.Queue(`CREATE TABLE IF NOT EXISTS blobs (
		key text COLLATE "C" PRIMARY KEY,
		value bytea NOT NULL,
		revision bigint NOT NULL DEFAULT nextval('blob_revisions')
	)`)
	work.Queue(`CREATE TABLE IF NOT EXISTS blob_locks (
		name text COLLATE "C" PRIMARY KEY,
		owner text NOT NULL,
		until timestamptz NOT NULL
	)`)
	return work
}

// call runs a statement. It is a transaction of its own, with its settings, in one message. A
// connection that was idle may be broken, and only using it shows that. So call pings it first: a
// write over a broken connection would be in doubt.
func (b *Blobs) call(ctx context.Context, queue func(work *batch)) error {
	return b.pool.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := conn.Ping(ctx); err != nil {
			return err
		}
		if !b.made.Load() {
			if err := b.createTables(ctx, conn); err != nil {
				return err
			}
			b.made.Store(true)
		}
		work := b.begin()
		queue(work)
		return work.commit(ctx, conn)
	})
}

// Get implements store.Blobs.
func (b *Blobs) Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, 0, err
	}
	found := false
	err = b.call(ctx, func(work *batch) {
		work.queue("SELECT value, revision FROM @.blobs WHERE key = $1", key).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&value, &at)
			found = err == nil
			return orNone(err)
		})
	})
	if err == nil && !found {
		err = b.o.explain(blob.ErrNotFound)
	}
	return value, at, err
}

// orNone is nil if there was no row.
func orNone(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
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
	done := false
	err = b.call(ctx, func(work *batch) {
		work.queue(statement, args...).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&now)
			done = err == nil
			return orNone(err)
		})
	})
	if err == nil && !done {
		err = b.o.explain(blob.ErrRevision)
	}
	return now, err
}

// putStatement returns the new revision, or no row if the key is at another one.
func putStatement(at blob.Revision) string {
	switch at {
	case blob.Any:
		return `INSERT INTO @.blobs (key, value) VALUES ($1, $2)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision RETURNING revision`
	case blob.None:
		return "INSERT INTO @.blobs (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING RETURNING revision"
	}
	return `UPDATE @.blobs SET value = $2, revision = DEFAULT WHERE key = $1 AND revision = $3 RETURNING revision`
}

// Delete implements store.Blobs.
func (b *Blobs) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	_, err := b.write(ctx, "DELETE FROM @.blobs WHERE key = $1", key)
	return err
}

// write runs a statement, and returns how many rows it changed.
func (b *Blobs) write(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	err = b.call(ctx, func(work *batch) {
		work.queue(statement, args...).Exec(func(tag pgconn.CommandTag) error {
			rows = tag.RowsAffected()
			return nil
		})
	})
	return rows, err
}

// List implements store.Blobs.
func (b *Blobs) List(ctx context.Context, prefix string) (infos []blob.Info, err error) {
	err = b.call(ctx, func(work *batch) {
		// The order of "C" is that of bytes, so keys that begin with the prefix come at and behind
		// it.
		work.queue(`SELECT key, revision, octet_length(value) FROM @.blobs
			WHERE key >= $1 AND starts_with(key, $1) ORDER BY key`, asText(prefix)).Query(func(rows pgx.Rows) error {
			infos, err = pgx.CollectRows(rows, pgx.RowToStructByPos[blob.Info])
			return err
		})
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
	rows, err := b.write(ctx, `INSERT INTO @.blob_locks AS held VALUES ($1, $2, clock_timestamp() + $3::interval)
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
	_, err := b.write(ctx, "DELETE FROM @.blob_locks WHERE name = $1 AND owner = $2", name, owner)
	return err
}
