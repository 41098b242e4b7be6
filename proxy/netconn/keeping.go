package netconn

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// keeping decides whether a connection to a backend may be kept between two exchanges, and until
// when.
type keeping struct {
	phase  atomic.Int32
	closed sync.Once
	// born is when the connection was made, by the registry's clock. young is the part of a fifth
	// of the limit of its age that is taken off, from 0 to 1.
	born  int64
	young float64
	// idleLimit is how long the backend said that it keeps an idle connection, less a margin; 0 if
	// it didn't say. idleEnd is when that time has passed.
	idleLimit time.Duration
	idleEnd   time.Time
}

// The phases of a connection. Only a kept one can be taken for another exchange, and only a kept
// one is closed by others than its user. So nobody takes a connection that is being closed.
const (
	connUsed int32 = iota
	connKept
	// connLeaving: it is in use, and won't be kept after that.
	connLeaving
	connRetired
)

// idleMargin is how much earlier than the backend we give up a connection, so that a request sent
// at the last moment arrives before the backend closes.
const idleMargin = time.Second

// startAge begins the life of a connection. A random part of up to a fifth is taken off its limit,
// so that connections that were made together don't end together.
func (b *Backend) startAge() {
	b.idleLimit = 0
	b.born, b.young = b.now(), rand.Float64()
}

// tooOld reports whether the connection is too old for another exchange.
func (b *Backend) tooOld() bool {
	age := b.limits().Age
	return age > 0 && b.late(b.born+int64(age-time.Duration(b.young*float64(age/5))))
}

// KeptFor notes how long the backend keeps the connection while it is idle, as it said. Of a limit
// that is shorter than two margins, half is left.
func (b *Backend) KeptFor(limit time.Duration) {
	b.idleLimit = max(1, limit-min(idleMargin, limit/2))
}

// Keep ends the use of a connection, and reports whether it may be kept for another exchange. If
// not, the caller must close it.
func (b *Backend) Keep() bool {
	if b.tooOld() {
		return false
	}
	if b.idleLimit > 0 {
		b.idleEnd = time.Now().Add(b.idleLimit)
	}
	return b.phase.CompareAndSwap(connUsed, connKept)
}

// Take begins the use of a connection, new or kept, and reports whether it may be used. If not, the
// caller must close it.
func (b *Backend) Take() bool {
	if !b.phase.CompareAndSwap(connKept, connUsed) {
		return b.phase.Load() == connUsed
	}
	return !b.tooOld() && (b.idleLimit == 0 || time.Now().Before(b.idleEnd))
}

// retire ends the connection: at once if it is kept, else after its exchange.
func (b *Backend) retire() {
	if b.phase.CompareAndSwap(connUsed, connLeaving) {
		return
	}
	if b.phase.CompareAndSwap(connKept, connRetired) {
		_ = b.Close()
	}
}
