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
	storetest.RequireMigrated(t, func() limiter.Store {
		path := filepath.Join(t.TempDir(), "equalizer.db")
		packed, err := os.Open("testdata/version4.db.gz")
		require.NoError(t, err)
		defer packed.Close()
		unpacked, err := gzip.NewReader(packed)
		require.NoError(t, err)
		content, err := io.ReadAll(unpacked)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		return open(t, path)
	})
}
