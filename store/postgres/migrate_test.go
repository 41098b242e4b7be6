package postgres

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

func TestMigrationsAreNumberedInOrder(t *testing.T) {
	entries, err := migrationFiles.ReadDir("migrations")
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	for i, entry := range entries {
		require.True(t, strings.HasPrefix(entry.Name(), fmt.Sprintf("%04d_", i+1)), entry.Name())
	}
}

func TestMigrationsAreAppliedOnce(t *testing.T) {
	schema := server.Schema(t)
	o := at(t, schema)
	s := open(t, o)
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	require.NoError(t, s.Close())
	require.Len(t, storetest.Load(t, open(t, o)), 1)
	var versions, latest int
	err := pgtest.Connect(t, schema).QueryRow(t.Context(), "SELECT count(*), max(version) FROM schema_version").Scan(&versions, &latest)
	require.NoError(t, err)
	require.Equal(t, versions, latest)
}

// A schema of version 1 keeps its rows. It is unknown how its writer ended.
func TestAnOlderSchemaIsBroughtUpToDate(t *testing.T) {
	schema := server.Schema(t)
	u, err := url.Parse(schema)
	require.NoError(t, err)
	first, err := migrationFiles.ReadFile("migrations/0001_buckets.sql")
	require.NoError(t, err)
	conn := pgtest.Connect(t, schema)
	_, err = conn.Exec(t.Context(), "CREATE SCHEMA "+u.Query().Get("schema")+`;
		CREATE TABLE schema_version (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
		INSERT INTO schema_version (version) VALUES (1);`+string(first)+`;
		UPDATE writer SET epoch = 7;
		INSERT INTO settings (capacity, refill) VALUES (100, '1/1m');
		INSERT INTO buckets VALUES ('alice', false, 1, 1, '2026-11-23 07:21:02.000411+00')`)
	require.NoError(t, err)
	s := open(t, at(t, schema))
	row, ok := storetest.Get(t, s, "alice")
	require.True(t, ok)
	require.Equal(t, storetest.Record("alice", 1), row)
	require.Equal(t, []limiter.Namespace{{ID: 1}}, storetest.Namespaces(t, s))
}

// A migration that fails leaves no traces, so that it can be tried again.
func TestAMigrationIsWholeOrNothing(t *testing.T) {
	schema := server.Schema(t)
	u, err := url.Parse(schema)
	require.NoError(t, err)
	name := u.Query().Get("schema")
	conn := pgtest.Connect(t, schema)
	_, err = conn.Exec(t.Context(), fmt.Sprintf("CREATE SCHEMA %s; CREATE TABLE %[1]s.writer (x integer)", name))
	require.NoError(t, err)
	require.ErrorContains(t, openError(t, at(t, schema)), `migrations/0001_buckets.sql: ERROR: relation "writer" already exists`)
	tables := 0
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename IN ('buckets', 'settings')").Scan(&tables))
	require.Zero(t, tables)

	_, err = conn.Exec(t.Context(), "DROP TABLE writer")
	require.NoError(t, err)
	storetest.Write(t, open(t, at(t, schema)), put(storetest.Record("alice", 1)))
}

// The dump was made by the last version that knew of one limit only.
func TestADumpOfVersion2(t *testing.T) {
	storetest.RequireMigrated(t, func() limiter.Store { return open(t, at(t, version2(t))) })
}

func version2(t *testing.T) (schema string) {
	t.Helper()
	dump, err := os.ReadFile("testdata/schema2.sql")
	require.NoError(t, err)
	schema = server.Schema(t)
	u, err := url.Parse(schema)
	require.NoError(t, err)
	name := u.Query().Get("schema")
	_, err = pgtest.Connect(t, schema).Exec(t.Context(), strings.NewReplacer("equalizer.", name+".", "SCHEMA equalizer;", "SCHEMA "+name+";").Replace(string(dump))+
		"; SET search_path = "+name)
	require.NoError(t, err)
	return schema
}

// The former version can still read a schema that no limit is to have the rows of. If there are no
// rows, nobody is asked.
func TestASchemaWithoutAnHeirIsLeftAsItIs(t *testing.T) {
	schema := version2(t)
	o := at(t, schema)
	o.Heirless = limiter.ErrMigrateTo
	err := openError(t, o)
	require.ErrorIs(t, err, limiter.ErrMigrateTo)
	require.True(t, IsFinal(err))
	conn := pgtest.Connect(t, schema)
	version := func() (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT max(version) FROM schema_version").Scan(&n))
		return n
	}
	require.Equal(t, 2, version())
	_, err = conn.Exec(t.Context(), "DELETE FROM buckets")
	require.NoError(t, err)
	require.NoError(t, open(t, o).Close())
	require.Equal(t, 5, version())
	open(t, o)
}
