package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// disk is where a store's file grows until it is full.
type disk interface {
	// path is the file's path.
	path() string
	// fill makes it full for the process with this pid, and free makes room again; the pid is 0 if
	// the process has ended.
	fill(pid int) error
	free(pid int) error
	// outlives reports whether it is full for the next process too.
	outlives() bool
	// says is the system's error when the disk is full.
	says() error
	// mayHaveRoom reports whether the file may have all the pages that it needs by now.
	mayHaveRoom() bool
}

func diskScenarios() []scenario {
	open := func(open func(t *testing.T) disk) func(t *testing.T) (string, strain) {
		return func(t *testing.T) (string, strain) {
			d := open(t)
			return d.path(), func(r *round, rng *rand.Rand) (mend func()) { return fullDisk(d, r, rng) }
		}
	}
	scenarios := []scenario{{"bbolt, files that may not grow", mixed(), open(openFileLimit)}}
	if mayMount() {
		scenarios = append(scenarios, scenario{"bbolt on a full disk", mixed(), open(openTmpfs)})
	}
	return scenarios
}

// fullDisk fills the disk, checks that the process reports it, and kills the process before or
// after there is room again.
func fullDisk(d disk, r *round, rng *rand.Rand) (mend func()) {
	after(rng, 300*time.Millisecond)
	pid := r.cmd.Process.Pid
	require.NoError(r.t, d.fill(pid))
	if goesOnInItsFile(d, r) {
		r.t.Log("all that was written found room in the file")
	} else {
		line := r.logs.await(r.t, storeIsDown)
		assert.Contains(r.t, line["error"], d.says().Error())
		// Small writes may still find room in the file. It is up then until the next large one.
		if store := r.status().Store; !store.Up {
			assert.Contains(r.t, store.Error, d.says().Error())
		}
	}
	after(rng, 300*time.Millisecond)
	if rng.IntN(2) == 0 {
		return func() { restartWhileFull(d, r) }
	}
	require.NoError(r.t, d.free(pid))
	r.await("the store to be up", func() bool { return r.status().Store.Up })
	after(rng, 300*time.Millisecond)
	return func() { checkFile(r.t, d.path()) }
}

const storeIsDown = "the store is down: traffic goes on, admin writes are refused, and spending is stored when it is back"

// goesOnInItsFile reports whether the store was up in so many flushes that its file must have room.
func goesOnInItsFile(d disk, r *round) bool {
	if !d.mayHaveRoom() {
		return false
	}
	before := r.status().Store.Flushes
	r.await("the store to be down, or to go on in its file", func() bool {
		return strings.Contains(r.logs.text(), storeIsDown) || r.status().Store.Flushes > before+20
	})
	return !strings.Contains(r.logs.text(), storeIsDown)
}

// restartWhileFull starts a process on the killed one's file before there is room again.
func restartWhileFull(d disk, r *round) {
	checkFile(r.t, d.path())
	if d.outlives() {
		startOnFullDisk(d, r)
		checkFile(r.t, d.path())
	}
	require.NoError(r.t, d.free(0))
}

// startOnFullDisk starts a process and kills it once it is ready. It may also end by itself, with
// the reason: what a strict limit reserves must be noted before anything is spent, and a full disk
// may have no room for the note.
func startOnFullDisk(d disk, r *round) {
	const unnoted = "note the start, before anything is spent"
	p := spawn(r.t, r.cmd.Args[1:]...)
	line := p.logs.awaitLine(r.t, "ready, or why not", func(line string) bool {
		return strings.Contains(line, `"msg":"ready"`) || strings.Contains(line, unnoted)
	})
	if strings.Contains(line, unnoted) {
		assert.Contains(r.t, line, d.says().Error())
		assert.Equal(r.t, 1, p.wait())
		return
	}
	p.kill()
}

// checkFile has bbolt check its file.
func checkFile(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: deadline})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		var all []error
		for err := range tx.Check() {
			all = append(all, err)
		}
		return errors.Join(all...)
	}))
}

// tmpfs is a small file system that is mounted nowhere. It exists as long as its folder is open.
type tmpfs struct {
	folder *os.File
	fills  int // so far
}

const tmpfsSize = 4 << 20

// newTmpfs makes one, if the machine allows it.
func newTmpfs() (tmpfs, error) {
	config, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return tmpfs{}, err
	}
	defer unix.Close(config)
	if err := unix.FsconfigSetString(config, "size", fmt.Sprint(tmpfsSize)); err != nil {
		return tmpfs{}, err
	}
	if err := unix.FsconfigCreate(config); err != nil {
		return tmpfs{}, err
	}
	folder, err := unix.Fsmount(config, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return tmpfs{}, err
	}
	return tmpfs{folder: os.NewFile(uintptr(folder), "tmpfs")}, nil
}

func mayMount() bool {
	d, err := newTmpfs()
	if err != nil {
		return false
	}
	return d.folder.Close() == nil
}

func openTmpfs(t *testing.T) disk {
	d, err := newTmpfs()
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.folder.Close() })
	return &d
}

// in is the path of a file in it that other processes can use too.
func (d tmpfs) in(name string) string {
	return fmt.Sprintf("/proc/%d/fd/%d/%s", os.Getpid(), d.folder.Fd(), name)
}

func (d tmpfs) path() string { return d.in("buckets.db") }

func (d tmpfs) outlives() bool { return true }

func (d tmpfs) says() error { return unix.ENOSPC }

// mayHaveRoom is true after some rounds, since bbolt reuses the pages that they left free.
func (d *tmpfs) mayHaveRoom() bool { return d.fills > 5 }

// fill writes another file until nothing more goes in.
func (d *tmpfs) fill(int) error {
	d.fills++
	ballast, err := os.Create(d.in("ballast"))
	if err != nil {
		return err
	}
	defer ballast.Close()
	for err == nil {
		_, err = ballast.Write(make([]byte, os.Getpagesize()))
	}
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	return nil
}

func (d tmpfs) free(int) error { return os.Remove(d.in("ballast")) }

// fileLimit is a limit on the size of the files that a process writes. It needs no privileges.
type fileLimit struct{ file string }

func openFileLimit(t *testing.T) disk { return fileLimit{t.TempDir() + "/buckets.db"} }

func (d fileLimit) path() string { return d.file }

func (d fileLimit) outlives() bool { return false }

func (d fileLimit) says() error { return unix.EFBIG }

func (d fileLimit) mayHaveRoom() bool { return false }

// fill leaves room only for bbolt's two meta pages.
func (d fileLimit) fill(pid int) error {
	return d.limit(pid, 2*uint64(os.Getpagesize()))
}

func (d fileLimit) free(pid int) error { return d.limit(pid, unix.RLIM_INFINITY) }

// limit sets the soft limit; a process that has ended has none.
func (d fileLimit) limit(pid int, bytes uint64) error {
	if pid == 0 {
		return nil
	}
	return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil)
}
