package outcome

import (
	"sync/atomic"

	"gopher-equalizer/proxy/meter"
)

// Takes counts what one limit said to requests.
type Takes struct {
	limit string
	cells *meter.Each[takesCell]
}

type takesCell struct{ allowed, limited, overflow, exempt, near atomic.Int64 }

func newTakes(limit string) *Takes { return &Takes{limit, meter.NewEach[takesCell]()} }

// count counts what the limit said to one request.
func (t *Takes) count(l *Limit) {
	mine := t.cells.Mine()
	switch {
	case !l.Allowed:
		mine.limited.Add(1)
		return
	case l.Shared:
		mine.overflow.Add(1)
	default:
		mine.allowed.Add(1)
	}
	if l.Near {
		mine.near.Add(1)
	}
}

// Exempt counts a request that the limit doesn't count.
func (t *Takes) Exempt() { t.cells.Mine().exempt.Add(1) }

// TakesStats is what one limit said to requests.
type TakesStats struct {
	// Limit is its name.
	Limit string
	// Allowed counts the requests that it let pass, except those of Overflow, which shared a
	// bucket because there was no room for one of their own. Limited counts those that it was a
	// reason to refuse, and Exempt those that it didn't count. A request that another limit refused
	// is none of these.
	Allowed, Limited, Overflow, Exempt int64
	// Near counts those of Allowed and Overflow after which less than a fifth of the bucket was
	// left.
	Near int64
}

func (t *Takes) stats() TakesStats {
	s := TakesStats{Limit: t.limit}
	for c := range t.cells.All() {
		s.Allowed += c.allowed.Load()
		s.Limited += c.limited.Load()
		s.Overflow += c.overflow.Load()
		s.Exempt += c.exempt.Load()
		s.Near += c.near.Load()
	}
	return s
}
