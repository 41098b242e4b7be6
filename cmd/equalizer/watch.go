package main

import (
	"context"
	"maps"
	"os"
	"sync"
	"time"
)

// lookEvery is the time between two looks at files.
const lookEvery = time.Second

// watcher reads files again when one of them has changed, while it is switched on. A file that
// changes between two looks is left alone until the next one, so that it isn't read half-written.
// Files that can't be used are read once, until one changes again, or every so often.
type watcher struct {
	// reload reads the files again, and calls look and read. If it doesn't, it is called again at
	// the next look.
	reload func() error
	// again is the time until a reload that failed is tried again; 0 stands for never.
	again time.Duration
	// switched has whether to watch, if that has changed.
	switched chan bool

	mu sync.Mutex
	// known are the files as they were when they were last read, seen as they were at the last
	// look.
	known, seen map[string]os.FileInfo
}

func newWatcher(again time.Duration, reload func() error) *watcher {
	return &watcher{reload: reload, again: again, switched: make(chan bool, 1)}
}

// watch switches the watcher on or off. One goroutine at a time may call it.
func (w *watcher) watch(on bool) {
	select {
	case <-w.switched: // What was said before isn't known yet.
	default:
	}
	w.switched <- on
}

// look is how the files are that are known. It is called before they are read again.
func (w *watcher) look() map[string]os.FileInfo {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lookNow()
}

// read notes which files were read, and how those were before that which were known.
func (w *watcher) read(files []string, before map[string]os.FileInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = make(map[string]os.FileInfo)
	for _, file := range files {
		if info, ok := before[file]; ok {
			w.known[file] = info
		} else {
			w.known[file] = stat(file)
		}
	}
	w.seen = nil
}

// readSince is read of files that were read at some time after a look. Those that weren't known
// then are read once more, as they may have changed since.
func (w *watcher) readSince(files []string, before map[string]os.FileInfo) {
	all := maps.Clone(before)
	if all == nil {
		all = map[string]os.FileInfo{}
	}
	for _, file := range files {
		all[file] = before[file]
	}
	w.read(files, all)
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	ticker.Stop()
	var retry time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case on := <-w.switched:
			if ticker.Stop(); on {
				ticker.Reset(lookEvery)
			}
		case now := <-ticker.C:
			if !w.changed() && (retry.IsZero() || now.Before(retry)) {
				continue
			}
			retry = time.Time{}
			if err := w.reload(); err != nil && w.again > 0 {
				retry = time.Now().Add(w.again)
			}
		}
	}
}

// changed looks at the files. It reports whether one is another than was read, and hasn't changed
// since the look before.
func (w *watcher) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.lookNow()
	settled := maps.EqualFunc(now, w.seen, same)
	w.seen = now
	return settled && !maps.EqualFunc(now, w.known, same)
}

// lookNow is look by who holds mu.
func (w *watcher) lookNow() map[string]os.FileInfo {
	now := make(map[string]os.FileInfo)
	for file := range w.known {
		now[file] = stat(file)
	}
	return now
}

// stat is what tells a file from a later one by its name; nil if there is none.
func stat(file string) os.FileInfo {
	info, err := os.Stat(file)
	if err != nil {
		return nil
	}
	return info
}

// same reports whether a file wasn't changed or replaced.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
