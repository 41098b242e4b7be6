package pgtest_test

import (
	"bufio"
	"context"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/postgres/pgtest"
)

func ping(t *testing.T, c *pgtest.Cluster, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL(""))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

func TestCluster(t *testing.T) {
	c, err := pgtest.Start()
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, ping(t, c, time.Minute))

	require.NoError(t, c.Stop())
	require.Error(t, ping(t, c, time.Minute))
	require.Error(t, c.Stop(), "a second time")
	require.NoError(t, c.Run())
	require.NoError(t, ping(t, c, time.Minute))

	require.NoError(t, c.Crash())
	require.Error(t, ping(t, c, time.Minute))
	require.NoError(t, c.Run())

	require.NoError(t, c.Freeze())
	require.Error(t, c.Freeze(), "a second time")
	require.ErrorIs(t, ping(t, c, 100*time.Millisecond), context.DeadlineExceeded)
	require.NoError(t, c.Thaw())
	require.NoError(t, ping(t, c, time.Minute))
}

func TestSchemasAreEachOnesOwnAndGoAway(t *testing.T) {
	var server pgtest.Server
	t.Cleanup(server.Close) // after the schemas' clean-ups
	t.Run("test", func(t *testing.T) {
		schema := server.Schema(t)
		require.NotEqual(t, schema, server.Schema(t))
		u, err := url.Parse(schema)
		require.NoError(t, err)
		_, err = pgtest.Connect(t, schema).Exec(t.Context(), "CREATE SCHEMA "+u.Query().Get("schema"))
		require.NoError(t, err)
	})
	schemas := 0
	conn := pgtest.Connect(t, server.Schema(t))
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'test\\_%'").Scan(&schemas))
	require.Zero(t, schemas)
}

// child starts a cluster, freezes it if that is wanted, prints where it is, and waits to be killed.
func child(freeze bool) {
	c, err := pgtest.Start()
	if err == nil && freeze {
		err = c.Freeze()
	}
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(c.Address() + "\n")
	select {}
}

func TestMain(m *testing.M) {
	if how := os.Getenv(childVariable); how != "" {
		child(how == "frozen")
	}
	os.Exit(m.Run())
}

const childVariable = "PGTEST_CHILD"

// The server ends with the tests, however they end, and leaves nothing behind.
func TestClustersDieWithTheTests(t *testing.T) {
	for _, how := range []string{"running", "frozen"} {
		t.Run(how, func(t *testing.T) {
			temp := t.TempDir()
			require.NoError(t, os.Chmod(temp, 0o755))
			require.NoError(t, os.Chmod(filepath.Dir(temp), 0o755))
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childVariable+"="+how, "TMPDIR="+temp)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			left := func() []os.DirEntry {
				entries, err := os.ReadDir(temp)
				require.NoError(t, err)
				return entries
			}
			require.Len(t, left(), 1)

			require.NoError(t, cmd.Process.Kill())
			_ = cmd.Wait()
			require.Eventually(t, func() bool { return len(left()) == 0 }, time.Minute, 10*time.Millisecond)
			_, err = net.Dial("tcp", strings.TrimSpace(line))
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
		})
	}
}
