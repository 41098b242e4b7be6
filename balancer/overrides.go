package balancer

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/store/blob"
)

// overridesKey is where a store has the overrides.
const overridesKey = "overrides/backends"

// Blobs are what Overrides need of a store.Blobs.
type Blobs interface {
	Get(ctx context.Context, key string) (value []byte, at blob.Revision, err error)
	Put(ctx context.Context, key string, value []byte, at blob.Revision) (blob.Revision, error)
}

// Overrides are what operators said of backends, by "POOL/URL". They count at once, and are stored
// behind by Run. All methods may be called at the same time.
type Overrides struct {
	log zerolog.Logger
	// wake has Run look at pending.
	wake chan struct{}
	// storing is held by the attempt that runs. It owns store.
	storing chan struct{}
	store   storedOverrides

	mu sync.Mutex
	// blobs is the store; nil if there is none. timeout bounds an attempt, and reread is how often
	// it is read anew; 0 is never.
	blobs           Blobs
	timeout, reread time.Duration
	// loaded reports whether what blobs has counts; true if there is no store.
	loaded bool
	// all are of all backends that are known here, or to others with the same store.
	all map[string]Override
	// said has those that operators changed in this process, also of backends that were removed.
	said map[string]bool
	// partly has those of said that the store may add to: they were changed before it was loaded,
	// and nothing was taken back.
	partly map[string]bool
	// pending are those that the store doesn't have as they are, or still has, each with the number
	// of its last change.
	pending map[string]int
	changes int
	// settled is closed, and made anew, when pending got less.
	settled chan struct{}
	// pools have the backends.
	pools map[*Pool]struct{}
}

// NewOverrides makes Overrides that are empty and have no store. The log gets a line when the store
// can't be used, and when it can be again.
func NewOverrides(log zerolog.Logger) *Overrides {
	return &Overrides{
		log:     log,
		wake:    make(chan struct{}, 1),
		storing: make(chan struct{}, 1),
		loaded:  true,
		all:     make(map[string]Override),
		said:    make(map[string]bool),
		partly:  make(map[string]bool),
		pending: make(map[string]int),
		settled: make(chan struct{}),
		pools:   make(map[*Pool]struct{}),
	}
}

// Use stores overrides in b from now on; nil is nowhere, so that they end with the process.
// timeout bounds one attempt to load or to store. reread is how often Run reads b anew, since other
// processes change what it has as well; 0 stands for never, and none do. If b is another one than
// before, what it has counts after Load, or once Run has read it: what operators said in this
// process wins over it, it wins over what was loaded from elsewhere, and gets what it doesn't have.
func (o *Overrides) Use(b Blobs, timeout, reread time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.timeout, o.reread = timeout, reread
	o.wakeRun()
	if o.blobs == b {
		return
	}
	o.blobs, o.loaded = b, b == nil
	clear(o.pending)
	for id := range o.said {
		o.change(id, o.all[id])
	}
	for id, is := range o.all {
		o.change(id, is)
	}
	o.noteSettled()
}

// attach has a pool get what is loaded.
func (o *Overrides) attach(p *Pool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pools[p] = struct{}{}
}

// detach forgets a pool.
func (o *Overrides) detach(p *Pool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.pools, p)
}

// of is a backend's override.
func (o *Overrides) of(id string) Override {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all[id]
}

// add has an override of a backend count over what was said before, also over what isn't loaded
// yet. It returns what counts.
func (o *Overrides) add(id string, more Override) Override {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.all[id]
	is := more.over(was)
	if is == was && o.loaded {
		return is
	}
	if !o.loaded && !o.said[id] {
		o.partly[id] = true
	}
	o.said[id] = true
	o.change(id, is)
	return is
}

// remove forgets the override of a backend, if it has one, also one that isn't loaded yet.
func (o *Overrides) remove(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.all[id]; !known && o.loaded {
		return
	}
	delete(o.partly, id)
	o.said[id] = true
	o.change(id, Override{})
}

// areShared reports whether other processes change them as well.
func (o *Overrides) areShared() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reread > 0
}

// isLoaded reports whether what the store has counts, if there is one.
func (o *Overrides) isLoaded() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.loaded
}

// change changes an override, and has it stored. The caller holds o.mu.
func (o *Overrides) change(id string, to Override) {
	if o.all[id] = to; to == (Override{}) {
		delete(o.all, id)
	}
	if o.blobs == nil {
		return
	}
	o.changes++
	o.pending[id] = o.changes
	o.wakeRun()
}

// wakeRun has Run look whether there is something to do.
func (o *Overrides) wakeRun() {
	select {
	case o.wake <- struct{}{}:
	default: // It will look anyway.
	}
}

// noteSettled has those who await it look at pending again. The caller holds o.mu.
func (o *Overrides) noteSettled() {
	close(o.settled)
	o.settled = make(chan struct{})
}

// stored reports whether the store has a backend's override, or none if it is none. It is false
// while that is unknown.
func (o *Overrides) stored(id string, is Override) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.blobs == nil {
		return is == Override{}
	}
	_, waits := o.pending[id]
	return o.loaded && !waits
}
