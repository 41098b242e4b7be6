//go:build unix

package bolt

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
	"gopher-equalizer/store/storetest"
)

// alone runs a check in a process of its own, since a limit on files concerns the whole process.
func alone(t *testing.T, check func(t *testing.T)) {
	t.Helper()
	const child = "EQUALIZER_TEST_ALONE"
	if os.Getenv(child) != "" {
		check(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: "+t.Name())
}

// fillDisk lets no file of this process grow beyond size, or be written beyond it, until room is
// called. The kernel fails the writes as on a full disk.
func fillDisk(t *testing.T, size int64) (room func()) {
	t.Helper()
	var was syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	signal.Ignore(syscall.SIGXFSZ)
	is := was
	is.Cur = uint64(size)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &is))
	room = func() {
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was))
		signal.Reset(syscall.SIGXFSZ)
	}
	t.Cleanup(room)
	return room
}

func size(t *testing.T, path string) int64 {
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Size()
}

func TestAFullDisk(t *testing.T) { alone(t, aFullDisk) }

func aFullDisk(t *testing.T) {
	f := func(name string, limit func(size int64) int64) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "equalizer.db")
			s := open(t, path)
			records := storetest.Records(12_000)
			before, batch := records[:6_000], limiter.Batch{Puts: records[6_000:]}
			storetest.Write(t, s, limiter.Batch{Puts: before})

			room := fillDisk(t, limit(size(t, path)))
			for range 3 {
				err := s.Write(t.Context(), batch)
				require.ErrorContains(t, err, "store "+path+": write: ")
				require.ErrorContains(t, err, "file too large")
				require.NotErrorIs(t, err, limiter.ErrInDoubt)
				require.Len(t, storetest.Load(t, s), len(before), "reads work on")
			}
			room()
			storetest.Write(t, s, batch)
			require.Len(t, storetest.Load(t, s), len(records))
			require.NoError(t, s.Close())
			require.Len(t, storetest.Load(t, open(t, path)), len(records))
		})
	}
	f("can't grow", func(size int64) int64 { return size })
	f("can't take a page", func(int64) int64 { return 64 << 10 })
}

// After a failed commit the file is opened again. If another process took it over in between, it is
// lost to this one.
func TestAFileThatWasTakenOver(t *testing.T) { alone(t, aFileThatWasTakenOver) }

func aFileThatWasTakenOver(t *testing.T) {
	path := filled(t)
	s := open(t, path)
	room := fillDisk(t, 64<<10)
	require.Error(t, s.Write(t.Context(), limiter.Batch{Puts: storetest.Records(2000)}))
	room()
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	other := open(t, path)
	_, _, err = s.Get(t.Context(), storetest.Keys("alice")[0])
	require.ErrorIs(t, err, store.ErrHeld)
	require.NoError(t, other.Close())
	for range 2 {
		require.ErrorIs(t, s.Write(t.Context(), limiter.Batch{Deletes: storetest.Keys("x")}), store.ErrSuperseded)
		_, _, err = s.Get(t.Context(), storetest.Keys("alice")[0])
		require.ErrorIs(t, err, store.ErrSuperseded)
		require.ErrorContains(t, err, path)
		require.NoError(t, os.WriteFile(path, before, 0o600)) // as it was, but too late
	}
}

func TestAFileThatWasReplaced(t *testing.T) { alone(t, aFileThatWasReplaced) }

func aFileThatWasReplaced(t *testing.T) {
	f := func(replace func(path string), check func(err error)) {
		path := filled(t)
		s := open(t, path)
		room := fillDisk(t, 64<<10)
		require.Error(t, s.Write(t.Context(), limiter.Batch{Puts: storetest.Records(2000)}))
		room()
		require.NoError(t, os.Remove(path))
		replace(path)
		_, _, err := s.Get(t.Context(), storetest.Keys("alice")[0])
		check(err)
	}
	f(func(string) {}, func(err error) { require.ErrorIs(t, err, fs.ErrNotExist) })
	f(func(path string) {
		edit(t, path, func(*bbolt.Tx) error { return nil })
	}, func(err error) { require.ErrorIs(t, err, store.ErrSuperseded) })
}

func TestWhichFailedCommitsAreInDoubt(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "equalizer.db"))
	storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(1)})
	latest := 0
	require.NoError(t, s.db.View(func(tx *bbolt.Tx) error { latest = tx.ID(); return nil }))

	f := func(err error, txid int, want bool) {
		t.Helper()
		require.Equal(t, want, neverWritten(s.db, txid, err))
	}
	full := &fs.PathError{Op: "write", Path: "p", Err: syscall.ENOSPC}
	f(full, latest+1, true)
	f(full, latest, false) // its meta page is there
	f(full, latest-1, false)
	f(errors.New("file resize error: no space left on device"), latest+1, true)
	f(syscall.EIO, latest+1, false) // fdatasync
	f(&fs.PathError{Op: "sync", Path: "p", Err: syscall.EIO}, latest+1, false)
}

// A commit whose last sync failed is in doubt until the meta pages are on the disk.
func TestADoubtedCommitIsSettledFirst(t *testing.T) { alone(t, aDoubtedCommitIsSettledFirst) }

func aDoubtedCommitIsSettledFirst(t *testing.T) {
	path := filled(t)
	s := open(t, path)
	err := s.failedCommit(1, syscall.EIO)
	require.ErrorIs(t, err, limiter.ErrInDoubt)
	require.ErrorIs(t, err, syscall.EIO)

	room := fillDisk(t, 0) // not even a meta page can be written
	_, _, err = s.Get(t.Context(), storetest.Keys("alice")[0])
	require.ErrorContains(t, err, "settle a broken write")
	require.True(t, s.doubt)
	room()
	require.Len(t, storetest.Load(t, s), 2000)
	require.False(t, s.doubt)
	storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(2500)})
	require.NoError(t, s.Close())
	require.Len(t, storetest.Load(t, open(t, path)), 2500)
}

// A device takes the meta pages, but fails to sync them.
func TestMetaPagesThatCanNotBeSyncedSettleNothing(t *testing.T) {
	s := open(t, filled(t))
	device, err := os.OpenFile("/dev/zero", os.O_RDWR, 0)
	require.NoError(t, err)
	defer device.Close()
	file := s.file
	s.file, s.doubt = device, true
	require.ErrorContains(t, s.settle(), "settle a broken write: sync /dev/zero: ")
	require.True(t, s.doubt)
	s.file = file
	require.NoError(t, s.settle())
	require.False(t, s.doubt)
}
