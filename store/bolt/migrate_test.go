package bolt

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/storetest"
)

// The file was made by the last version that knew of one limit only.
func TestAFileOfVersion4(t *testing.T) {
	storetest.RequireMigrated(t, func() limiter.Store { return open(t, version4(t)) })
}

func version4(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "equalizer.db")
	packed, err := os.Open("testdata/version4.db.gz")
	require.NoError(t, err)
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	require.NoError(t, err)
	content, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// The former version can still read a file that no limit is to have the rows of. If there are no
// rows, nobody is asked.
func TestAFileWithoutAnHeirIsLeftAsItIs(t *testing.T) {
	o := options(version4(t))
	o.Heirless = limiter.ErrMigrateTo
	before, err := os.ReadFile(o.Path)
	require.NoError(t, err)
	_, err = Open(t.Context(), o)
	require.ErrorIs(t, err, limiter.ErrMigrateTo)
	after, err := os.ReadFile(o.Path)
	require.NoError(t, err)
	require.Equal(t, before, after)

	for name, path := range map[string]string{"empty": filepath.Join(t.TempDir(), "new.db"), "of this version": filled(t)} {
		o.Path = path
		s, err := Open(t.Context(), o)
		require.NoError(t, err, name)
		require.NoError(t, s.Close())
	}
}
