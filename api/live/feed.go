// Package live has what changes once a second for those who watch it. A Feed has samples, and each
// Watcher gets what a sample has changed since the last one that it took. A watcher that is slow
// misses samples, and has no memory of its own for them.
package live

import (
	"context"
	"sync"
)

// Kept is how many points a Feed keeps: 15 minutes of one a second.
const Kept = 15 * 60

// Point is what is kept of a sample, in JSON.
type Point struct {
	// At is when it was taken, in milliseconds since 1970, and Seconds how long that was after the
	// one before.
	At      int64   `json:"at"`
	Seconds float64 `json:"seconds"`
	// Responses has how many requests ended in each class of status since then, and Limited how
	// many of those limits refused.
	Responses map[string]int64 `json:"responses"`
	Limited   int64            `json:"limited"`
	// P50 and P99 are how long they took, in seconds; 0 if there were none.
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Feed has the last points, and the last sample if anybody watches. The zero value is ready. Its
// methods may be called at the same time.
type Feed struct {
	mu     sync.Mutex
	points []Point // the last Kept; once there are so many, the oldest one is at first
	first  int
	// state is the last sample; nil while nobody has watched one.
	state State
	// count counts the samples, and next is closed when there is another one.
	count    int
	next     chan struct{}
	watchers int
}

// Watched reports whether anybody watches, so that a state is wanted.
func (f *Feed) Watched() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watchers > 0
}

// Add adds a sample. The state may be nil if nobody watches, and must not be changed any more.
func (f *Feed) Add(p Point, state State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.points) < Kept {
		f.points = append(f.points, p)
	} else {
		f.points[f.first] = p
		f.first = (f.first + 1) % Kept
	}
	f.state = state
	f.count++
	if f.next != nil {
		close(f.next)
		f.next = nil
	}
}

// Watch returns a Watcher, unless there are as many as there may be. It must be closed.
func (f *Feed) Watch(most int) *Watcher {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watchers >= most {
		return nil
	}
	f.watchers++
	return &Watcher{feed: f, seen: f.count}
}

// Watcher takes the samples of a Feed. One goroutine may use it.
type Watcher struct {
	feed *Feed
	// seen is the count of the last sample that was taken, and state what it was.
	seen  int
	state State
}

// Close ends the watching.
func (w *Watcher) Close() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	w.feed.watchers--
	if w.feed.watchers == 0 {
		w.feed.state = nil
	}
}

// History are the points that are kept, the oldest first.
func (w *Watcher) History() []Point {
	f := w.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	return append(append([]Point{}, f.points[f.first:]...), f.points[:f.first]...)
}

// Change is what a sample has changed.
type Change struct {
	Point Point `json:"point"`
	// Patch is the merge patch that makes the state that the watcher knows the one of the sample,
	// all of it at first.
	Patch State `json:"patch"`
}

// Next waits for a sample that the watcher hasn't taken, and takes it. The error is the cause of
// ctx's end.
func (w *Watcher) Next(ctx context.Context) (Change, error) {
	for {
		state, point, next := w.look()
		if state != nil {
			change := Change{Point: point, Patch: Patch(w.state, state)}
			w.state = state
			return change, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return Change{}, context.Cause(ctx)
		}
	}
}

// look takes the last sample if it is another one than the watcher has; else next is closed when
// there is one.
func (w *Watcher) look() (State, Point, <-chan struct{}) {
	f := w.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count > w.seen && f.state != nil {
		w.seen = f.count
		return f.state, f.points[(f.first+len(f.points)-1)%len(f.points)], nil
	}
	if f.next == nil {
		f.next = make(chan struct{})
	}
	return nil, Point{}, f.next
}
