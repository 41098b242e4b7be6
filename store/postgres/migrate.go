package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// migrationFiles are applied in the order of their names. A released one is never changed.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// lastWithoutNamespaces is the last version of the schema that knew of one limit only.
const lastWithoutNamespaces = 2

// migration brings a schema up to date.
type migration struct {
	conn *pgx.Conn
	o    Options
	// guard refuses a migration, in its transaction; nil: the caller holds the schema's lock.
	guard func(ctx context.Context, tx querier) error
}

// migrate applies what is missing, each in a transaction of its own. Several processes may do so at
// once: it holds a lock on the table of versions meanwhile.
func (m migration) migrate(ctx context.Context) error {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return err
	}
	if err := m.prepare(ctx); err != nil {
		return err
	}
	for {
		version, err := m.o.schemaVersion(ctx, m.conn)
		switch {
		case err != nil:
			return err
		case version > len(names):
			return errFinal{fmt.Errorf("written by a newer version of this program: its schema is %d, and this one knows up to %d; upgrade", version, len(names))}
		case version == len(names):
			return nil
		}
		if err := m.apply(ctx, names[version], version); err != nil {
			return fmt.Errorf("%s: %w", names[version], err)
		}
	}
}

// prepare makes the schema and the table of versions. Another process may do so at the same moment,
// which PostgreSQL reports as a duplicate. Then they are there.
func (m migration) prepare(ctx context.Context) error {
	err := createSchema(ctx, m.conn, m.o)
	if err == nil || isDuplicate(err) {
		err = m.createVersions(ctx)
	}
	if isDuplicate(err) {
		return nil
	}
	return err
}

func (m migration) createVersions(ctx context.Context) error {
	_, err := m.conn.Exec(ctx, m.o.in(`
		CREATE TABLE IF NOT EXISTS @.schema_version (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`))
	return wrapf(err, "create a table")
}

// querier is a connection, or a transaction on one.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// createSchema looks first: creating needs a privilege on the database, even if there is nothing to
// do.
func createSchema(ctx context.Context, conn querier, o Options) error {
	exists := false
	err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", o.Schema).Scan(&exists)
	if err != nil || exists {
		return wrapf(err, "look for the schema")
	}
	name, user := pgx.Identifier{o.Schema}.Sanitize(), pgx.Identifier{o.User}.Sanitize()
	_, err = conn.Exec(ctx, "CREATE SCHEMA "+name)
	return wrapf(err, "create the schema (whoever owns the database can: CREATE SCHEMA %s AUTHORIZATION %s)", name, user)
}

// schemaVersion is how many migrations were applied.
func (o Options) schemaVersion(ctx context.Context, conn querier) (version int, err error) {
	err = conn.QueryRow(ctx, o.in("SELECT coalesce(max(version), 0) FROM @.schema_version")).Scan(&version)
	return version, wrapf(err, "read the schema's version")
}

// apply applies the next migration, unless another process has done so.
func (m migration) apply(ctx context.Context, name string, version int) error {
	script, err := migrationFiles.ReadFile(name)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, m.conn, func(tx pgx.Tx) error {
		if isNext, err := m.lock(ctx, tx, version); err != nil || !isNext {
			return err
		}
		if err := m.check(ctx, tx, version); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SET LOCAL search_path = "+pgx.Identifier{m.o.Schema}.Sanitize()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(script)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, m.o.in("INSERT INTO @.schema_version (version) VALUES ($1)"), version+1)
		return err
	})
}

// lock reports whether the schema still has this version, and keeps others from reading it: a
// former version of this program that reads it later finds a newer one.
func (m migration) lock(ctx context.Context, tx querier, version int) (bool, error) {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, m.o.in("LOCK TABLE @.schema_version IN ACCESS EXCLUSIVE MODE")); err != nil {
		return false, err
	}
	now, err := m.o.schemaVersion(ctx, tx)
	return now == version, err
}

// check refuses a migration while another process is at work, or that nobody is the heir of.
func (m migration) check(ctx context.Context, tx querier, version int) error {
	if m.guard != nil {
		if err := m.guard(ctx, tx); err != nil {
			return err
		}
	}
	if m.o.Heirless == nil || version == 0 || version > lastWithoutNamespaces {
		return nil
	}
	has := false
	if err := tx.QueryRow(ctx, m.o.in("SELECT EXISTS (SELECT FROM @.buckets)")).Scan(&has); err != nil {
		return fmt.Errorf("look for buckets: %w", err)
	}
	if has {
		return errFinal{m.o.Heirless}
	}
	return nil
}

// in puts the schema's name before those of tables, which statements have as @.NAME. It is for
// connections whose search_path is nobody's in particular.
func (o Options) in(statement string) string {
	return strings.ReplaceAll(statement, "@.", pgx.Identifier{o.Schema}.Sanitize()+".")
}
