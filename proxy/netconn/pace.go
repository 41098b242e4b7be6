package netconn

import (
	"errors"
	"time"
)

// ErrTooSlow is the error of a Read or a Write whose client has fallen behind the least rate by
// more than the grace.
var ErrTooSlow = errors.New("slower than min_rate by more than rate_grace")

// pace holds a client to the least rate of a body, in one direction. The zero pace, and nil, hold
// nobody to anything.
type pace struct {
	// rate is in bytes a second. grace is how far behind it a client may fall.
	rate  int64
	grace time.Duration
	// behind is the time that the client was waited for, less the time that its bytes take at the
	// rate. Below 0 the client is ahead.
	behind time.Duration
}

// holds reports whether there is a rate to hold a client to.
func (p *pace) holds() bool { return p != nil && p.rate > 0 }

// waited notes that the client was waited for, and that n bytes passed in that time. A client that
// is ahead may pause for as long, up to the grace.
func (p *pace) waited(took time.Duration, n int) {
	if p.holds() {
		p.behind = max(p.behind+took-p.worth(n), -p.grace)
	}
}

// passed notes that n bytes passed without a wait. They make up for what the client is behind, but
// don't put it ahead: perhaps only the system took them.
func (p *pace) passed(n int) {
	if p.holds() && p.behind > 0 {
		p.behind = max(p.behind-p.worth(n), 0)
	}
}

// worth is how long n bytes take at the rate.
func (p *pace) worth(n int) time.Duration {
	return time.Duration(int64(n) * int64(time.Second) / p.rate)
}

// left is how much longer the client may be waited for; 0 or less if it is too slow already.
func (p *pace) left() time.Duration { return p.grace - p.behind }

// exceeded reports whether the client is too slow.
func (p *pace) exceeded() bool { return p.holds() && p.left() <= 0 }
