package pgtest

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionIn(t *testing.T) {
	f := func(path string, want int) {
		t.Helper()
		require.Equal(t, want, versionIn(path))
	}
	f("/usr/lib/postgresql/15/bin", 15)
	f("/usr/lib/postgresql/9.6/bin", 9)
	f("/opt/homebrew/opt/postgresql@17/bin", 17)
	f("/usr/pgsql-16/bin", 16)
	f("/usr/local/pgsql/bin", 0)
}

func TestWithoutPostgreSQLOneLineSaysWhatToDo(t *testing.T) {
	t.Setenv(EnvURL, "")
	require.EqualError(t, notFound(),
		"PostgreSQL not found: run `make test`, install the postgresql package, or set EQUALIZER_TEST_POSTGRES_URL")
	t.Setenv(EnvURL, "postgres://elsewhere")
	require.ErrorContains(t, notFound(), "install the postgresql package")
}

// A shell that waits is a child of this process, whichever way children are found.
func TestChildrenAreFound(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "read -r _")
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	children, err := childrenOf(os.Getpid())
	require.NoError(t, err)
	require.Contains(t, children, cmd.Process.Pid)
	require.NoError(t, input.Close())
	_ = cmd.Wait()
}
