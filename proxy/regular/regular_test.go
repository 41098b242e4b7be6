package regular

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("1234"), 0o600))
	data, err := Read(file, 4)
	require.NoError(t, err)
	require.Equal(t, "1234", string(data))
	data, err = Read(file, 1<<20)
	require.NoError(t, err)
	require.Equal(t, "1234", string(data))
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, make([]byte, size), 0o600))
		return path
	}
	f := func(path string, most int64, want string) {
		t.Helper()
		_, err := Read(path, most)
		require.EqualError(t, err, want)
		require.ErrorAs(t, err, new(*fs.PathError))
	}
	f(dir, 1, "open "+dir+": it is no regular file; want one")
	f(filepath.Join(dir, "none"), 1, "open "+dir+"/none: no such file or directory")
	f(write("a", 5), 4, "read "+dir+"/a: it has more than 4 bytes; want at most that")
	f(write("b", 1025), 1024, "read "+dir+"/b: it has more than 1KiB; want at most that")
	f(write("c", 2<<20+1), 2<<20, "read "+dir+"/c: it has more than 2MiB; want at most that")
}
