package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// migrationFiles are applied in the order of their names. A released one is never changed.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// lastWithoutNamespaces is the last version of the schema that knew of one limit only.
const lastWithoutNamespaces = 2

// migrate brings the schema up to date, each migration in a transaction of its own. The caller
// holds the schema's lock.
func migrate(ctx context.Context, conn *pgx.Conn, o Options) error {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return err
	}
	if err := createSchema(ctx, conn, o); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(names) {
		return errFinal{fmt.Errorf("written by a newer version of this program: its schema is %d, and this one knows up to %d; upgrade", version, len(names))}
	}
	if o.Heirless != nil && 0 < version && version <= lastWithoutNamespaces {
		has := false
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM buckets)").Scan(&has); err != nil {
			return fmt.Errorf("look for buckets: %w", err)
		}
		if has {
			return errFinal{o.Heirless}
		}
	}
	for ; version < len(names); version++ {
		if err := applyMigration(ctx, conn, names[version], version+1); err != nil {
			return fmt.Errorf("%s: %w", names[version], err)
		}
	}
	return nil
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
func schemaVersion(ctx context.Context, conn *pgx.Conn) (version int, err error) {
	_, err = conn.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`)
	if err != nil {
		return 0, fmt.Errorf("create a table: %w", err)
	}
	err = conn.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM schema_version").Scan(&version)
	return version, wrapf(err, "read the schema's version")
}

func applyMigration(ctx context.Context, conn *pgx.Conn, name string, version int) error {
	script, err := migrationFiles.ReadFile(name)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, string(script)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO schema_version (version) VALUES ($1)", version)
		return err
	})
}
