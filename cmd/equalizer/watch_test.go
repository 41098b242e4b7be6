package main

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watched has a watcher of files in a folder, with how often it has had them read.
type watched struct {
	*watcher
	t     *testing.T
	dir   string
	files []string
	reads atomic.Int64
	// fails has reading fail, and isBusy has nothing be read.
	fails, isBusy atomic.Bool
}

// watching runs f with a watcher that is switched on, by a clock that f moves.
func watching(t *testing.T, f func(w *watched), names ...string) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{t: t, dir: dir}
		w.watcher = newWatcher(10*lookEvery, func() error {
			if w.isBusy.Load() {
				return nil
			}
			w.reads.Add(1)
			w.read(w.files, w.look())
			if w.fails.Load() {
				return os.ErrInvalid
			}
			return nil
		})
		for _, name := range names {
			w.files = append(w.files, filepath.Join(dir, name))
			w.write(name, "first")
		}
		w.read(w.files, nil)
		tasks := newTasks()
		tasks.run(w.run)
		w.watch(true)
		synctest.Wait()
		f(w)
		tasks.end()
	})
}

func (w *watched) write(name, text string) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
}

// after lets so many looks pass.
func (w *watched) after(looks int) int {
	time.Sleep(time.Duration(looks) * lookEvery)
	synctest.Wait()
	return int(w.reads.Load())
}

// Files are read once they have changed and one look has found them as the look before did.
func TestWatchedFilesThatChange(t *testing.T) {
	watching(t, func(w *watched) {
		assert.Equal(t, 0, w.after(10))
		w.write("a", "second, longer")
		assert.Equal(t, 0, w.after(1), "it may be half-written")
		w.write("a", "second, longer, and whole")
		assert.Equal(t, 0, w.after(1))
		assert.Equal(t, 1, w.after(1))
		assert.Equal(t, 1, w.after(10), "whatever was read")

		require.NoError(t, os.Remove(w.files[1]))
		assert.Equal(t, 2, w.after(2))
		assert.Equal(t, 2, w.after(10), "a file that is gone is told once")
		w.write("b", "first")
		assert.Equal(t, 3, w.after(2))

		other := filepath.Join(w.dir, "other")
		require.NoError(t, os.WriteFile(other, []byte("first"), 0o600))
		info, err := os.Stat(w.files[1])
		require.NoError(t, err)
		require.NoError(t, os.Chtimes(other, info.ModTime(), info.ModTime()))
		require.NoError(t, os.Rename(other, w.files[1]))
		assert.Equal(t, 4, w.after(2), "another file of the same size and time")
	}, "a", "b")
}

// What was read by another way isn't read again, and which files there are may change.
func TestWatchedFilesThatOthersRead(t *testing.T) {
	watching(t, func(w *watched) {
		w.write("a", "second, longer")
		before := w.look()
		w.write("a", "third, even longer")
		w.files = append(w.files, filepath.Join(w.dir, "new"))
		w.read(w.files, before)
		assert.Equal(t, 1, w.after(2), "it changed while it was read")
		w.write("new", "now there is one")
		assert.Equal(t, 2, w.after(2))
		w.write("new", "now there is another one")
		w.read(w.files, w.look())
		assert.Equal(t, 2, w.after(10))
		w.read(w.files[:1], w.look())
		w.write("new", "it isn't named any more")
		assert.Equal(t, 2, w.after(10))
	}, "a")
}

// What failed is tried again now and then, until it succeeds. It may have failed by what isn't in
// the files.
func TestWatchedFilesThatCannotBeUsed(t *testing.T) {
	watching(t, func(w *watched) {
		w.fails.Store(true)
		w.write("a", "second, longer")
		assert.Equal(t, 1, w.after(2))
		assert.Equal(t, 1, w.after(9))
		assert.Equal(t, 2, w.after(1))
		w.fails.Store(false)
		assert.Equal(t, 3, w.after(10))
		assert.Equal(t, 3, w.after(30))
	}, "a")
}

// What wasn't read because something else ran is read at the next look.
func TestWatchedFilesThatWait(t *testing.T) {
	watching(t, func(w *watched) {
		w.isBusy.Store(true)
		w.write("a", "second, longer")
		assert.Equal(t, 0, w.after(10))
		w.isBusy.Store(false)
		assert.Equal(t, 1, w.after(1))
		assert.Equal(t, 1, w.after(10))
	}, "a")
}

func TestWatcherIsSwitched(t *testing.T) {
	watching(t, func(w *watched) {
		w.watch(true)
		w.watch(false)
		w.write("a", "second, longer")
		assert.Equal(t, 0, w.after(10))
		w.watch(true)
		assert.Equal(t, 1, w.after(2))
	}, "a")
}

// A file that wasn't looked at before it was read is read once more, as it may have changed since.
func TestWatchedFilesThatAreNew(t *testing.T) {
	watching(t, func(w *watched) {
		before := w.look()
		w.write("new", "first")
		w.files = append(w.files, filepath.Join(w.dir, "new"))
		w.readSince(w.files, before)
		assert.Equal(t, 1, w.after(2))
		assert.Equal(t, 1, w.after(10))
		w.readSince(w.files, w.look())
		assert.Equal(t, 1, w.after(10), "nothing is new")
		w.readSince(w.files, nil)
		assert.Equal(t, 2, w.after(10))
	}, "a")
}
