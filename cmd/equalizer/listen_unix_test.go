//go:build unix

package main

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// leave makes a socket as a killed process leaves it.
func leave(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, ln.Close())
}

func TestListenOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	for _, before := range []func(){func() {}, func() { leave(t, path) }} {
		before()
		ln, err := listenOn(t.Context(), "unix://"+path)
		require.NoError(t, err)
		info, err := os.Lstat(path)
		require.NoError(t, err)
		assert.Equal(t, fs.ModeSocket|socketMode, info.Mode())
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		require.NoError(t, ln.Close())
		assert.NoFileExists(t, path)
	}
}

// A socket on which somebody listens is waited for, as an address is.
func TestListenOnASocketThatIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	taken, err := net.Listen("unix", path)
	require.NoError(t, err)
	_, err = listenUnix(path)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err, "it is left alone")
	require.NoError(t, conn.Close())

	time.AfterFunc(3*takenPoll, func() { taken.Close() })
	ln, err := listenOn(t.Context(), "unix://"+path)
	require.NoError(t, err)
	require.NoError(t, ln.Close())
}

func TestListenWhereAnotherStartDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	leave(t, path)
	folder, err := os.Open(filepath.Dir(path))
	require.NoError(t, err)
	require.NoError(t, unix.Flock(int(folder.Fd()), unix.LOCK_EX))
	_, err = listenUnix(path)
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NoError(t, folder.Close())
	ln, err := listenUnix(path)
	require.NoError(t, err)
	require.NoError(t, ln.Close())
}

func TestListenWhereThereIsNoSocket(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err := listenOn(t.Context(), "unix://"+path)
	require.ErrorContains(t, err, "listen on unix://"+path+": there is a file that is no socket")
	assert.FileExists(t, path)
	require.NoError(t, os.Symlink(path, filepath.Join(folder, "link")))
	_, err = listenUnix(filepath.Join(folder, "link"))
	require.ErrorContains(t, err, "no socket")
	_, err = listenUnix(filepath.Join(folder, "none", "admin.sock"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// A reload makes a socket again whose file was removed. Connections of before live on.
func TestReloadMakesTheSocketAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	s := newServedListeners(t)
	s.change(t, "unix://"+path)
	first := s.all[0]
	s.change(t, "unix://"+path)
	require.Same(t, first, s.all[0])
	require.NoError(t, os.Remove(path))
	s.change(t, "unix://"+path)
	require.NotSame(t, first, s.all[0])
	require.Equal(t, []string{path}, s.retired)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}
