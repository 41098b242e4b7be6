package netconn

import (
	"errors"
	"time"
)

// ErrTooSlow is the error of a Read or a Write whose client has fallen behind the least rate by
// more than the grace.
var ErrTooSlow = errors.New("slower than min_rate by more than rate_grace")

// Pace holds a client to the least rate of a body, in one direction. The zero Pace, and nil, hold
// nobody to anything.
type Pace struct {
	// rate is in bytes a second. grace is how far behind it a client may fall.
	rate  int64
	grace time.Duration
	// behind is the time that the client was waited for, less the time that its bytes take at the
	// rate. Below 0 the client is ahead.
	behind time.Duration
}

// Pace is the least rate of a body under these limits.
func (l *ClientLimits) Pace() Pace { return Pace{rate: l.MinRate, grace: l.RateGrace} }

// Holds reports whether there is a rate to hold a client to.
func (p *Pace) Holds() bool { return p != nil && p.rate > 0 }

// Waited notes that the client was waited for, and that n bytes passed in that time. A client that
// is ahead may pause for as long, up to the grace.
func (p *Pace) Waited(took time.Duration, n int) {
	if p.Holds() {
		p.behind = max(p.behind+took-p.worth(n), -p.grace)
	}
}

// Passed notes that n bytes passed without a wait. They make up for what the client is behind, but
// don't put it ahead: perhaps only the system took them.
func (p *Pace) Passed(n int) {
	if p.Holds() && p.behind > 0 {
		p.behind = max(p.behind-p.worth(n), 0)
	}
}

// worth is how long n bytes take at the rate.
func (p *Pace) worth(n int) time.Duration {
	return time.Duration(int64(n) * int64(time.Second) / p.rate)
}

// Left is how much longer the client may be waited for; 0 or less if it is too slow already.
func (p *Pace) Left() time.Duration { return p.grace - p.behind }

// exceeded reports whether the client is too slow.
func (p *Pace) exceeded() bool { return p.Holds() && p.Left() <= 0 }
