package netconn

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// keeping is whether a connection to a backend may be kept between two exchanges, and until when.
type keeping struct {
	phase  atomic.Int32
	closed sync.Once
	// ageEnd is when the connection is too old for another exchange, by the registry's clock; 0 is
	// never.
	ageEnd int64
	// idleLimit is for how long the backend keeps the connection while nothing comes, by its own
	// words, less a margin; 0: it didn't say. idleEnd is when that will have passed.
	idleLimit time.Duration
	idleEnd   time.Time
}

// The phases of a connection. Only one that is kept can be taken for another exchange, and only
// such a one is closed by others than its user, so nobody takes one that is being closed.
const (
	connUsed int32 = iota
	connKept
	// connLeaving is in use, and won't be kept after that.
	connLeaving
	connRetired
)

// idleMargin is how much earlier than its backend a connection is given up, so that a request sent
// at the last moment arrives before the backend closes.
const idleMargin = time.Second

// startAge begins the life of a connection. It is shorter than the limit by up to a fifth, so that
// connections that were made together don't end together.
func (b *Backend) startAge() {
	b.ageEnd, b.idleLimit = 0, 0
	if age := b.limits.Age; age > 0 {
		b.ageEnd = b.in(age - rand.N(age/5+1))
	}
}

// KeptFor notes that the backend said for how long it keeps the connection while nothing comes. A
// limit of a second leaves half of it.
func (b *Backend) KeptFor(limit time.Duration) {
	b.idleLimit = max(1, limit-min(idleMargin, limit/2))
}

// Keep ends the use of a connection, and reports whether it may wait for another exchange. If not,
// the caller must close it.
func (b *Backend) Keep() bool {
	if b.late(b.ageEnd) {
		return false
	}
	if b.idleLimit > 0 {
		b.idleEnd = time.Now().Add(b.idleLimit)
	}
	return b.phase.CompareAndSwap(connUsed, connKept)
}

// Take begins the use of a connection that is new or was kept, and reports whether it may be used.
// If not, the caller must close it.
func (b *Backend) Take() bool {
	if !b.phase.CompareAndSwap(connKept, connUsed) {
		return b.phase.Load() == connUsed
	}
	return !b.late(b.ageEnd) && (b.idleLimit == 0 || time.Now().Before(b.idleEnd))
}

// retire ends the connection: now if it is kept, else after its exchange.
func (b *Backend) retire() {
	if b.phase.CompareAndSwap(connUsed, connLeaving) {
		return
	}
	if b.phase.CompareAndSwap(connKept, connRetired) {
		_ = b.Close()
	}
}
