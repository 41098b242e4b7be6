package outcome

import (
	"context"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

const (
	// toldASecond is how many requests a second a Tail tells of. If there are more it tells of one
	// in so many, at random.
	toldASecond = 500
	// waitingLines and waitingBytes bound the lines that a Tail's reader has yet to take. A reader
	// that is slower misses lines.
	waitingLines = 1024
	waitingBytes = 1 << 20
	// usualLine is more than most lines take.
	usualLine = 768
)

// Filter is which requests a Tail tells of. Zero values are no condition.
type Filter struct {
	// LeastStatus and MostStatus are the first and the last status.
	LeastStatus, MostStatus int
	Route, Reason           string
	// Client is the client's address, or a client_id as the log has it.
	Client string
	// AtLeast is how long they took.
	AtLeast time.Duration
}

// wants reports whether a request that has ended is one of them.
func (f *Filter) wants(o *Outcome) bool {
	switch {
	case o.Status < f.LeastStatus, f.MostStatus > 0 && o.Status > f.MostStatus,
		f.Route != "" && o.Route != f.Route, o.Times.Total() < f.AtLeast:
		return false
	}
	if f.Reason != "" && o.shownReason() != f.Reason {
		return false
	}
	return f.Client == "" || o.isOf(f.Client)
}

// isOf reports whether a request is that of a client: an address, or a client_id as the log has it.
func (o *Outcome) isOf(client string) bool {
	var buf [64]byte
	if string(identity.AppendAddr(buf[:0], o.From.Addr)) == client {
		return true
	}
	return slices.ContainsFunc(o.Limits, func(l Limit) bool { return http1.Text(l.ClientID) == client })
}

// tails are all Tails. The zero value has none.
type tails struct {
	mu sync.Mutex
	// all is nil while there are none, so that requests then look at one word only.
	all atomic.Pointer[[]*Tail]
}

// tell has each Tail know of a request that has ended.
func (t *tails) tell(o *Outcome, l *Log) {
	if all := t.all.Load(); all != nil {
		for _, one := range *all {
			one.tell(o, l)
		}
	}
}

// change replaces the Tails that there are.
func (t *tails) change(by func([]*Tail) []*Tail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*Tail
	if former := t.all.Load(); former != nil {
		all = slices.Clone(*former)
	}
	if all = by(all); len(all) == 0 {
		t.all.Store(nil)
		return
	}
	t.all.Store(&all)
}

// Tail has the log's lines of requests that have ended since it began, those that its Filter wants,
// whether the log has them or not. Requests never wait for its reader. It must be closed.
type Tail struct {
	of     *tails
	filter Filter
	lines  chan []byte
	// waiting is how many bytes are in lines, and leftOut how many requests weren't told of since
	// Next said so.
	waiting, leftOut atomic.Int64
	pace             pace
}

// Tail begins one.
func (r *Recorder) Tail(f Filter) *Tail {
	t := &Tail{of: &r.tails, filter: f, lines: make(chan []byte, waitingLines)}
	r.tails.change(func(all []*Tail) []*Tail { return append(all, t) })
	return t
}

// Close ends it.
func (t *Tail) Close() {
	t.of.change(func(all []*Tail) []*Tail {
		return slices.DeleteFunc(all, func(one *Tail) bool { return one == t })
	})
}

// tell writes the line of a request that is wanted, or counts it.
func (t *Tail) tell(o *Outcome, l *Log) {
	if !t.filter.wants(o) {
		return
	}
	oneIn := t.pace.draw(o.Times.last)
	if oneIn == 0 {
		t.leftOut.Add(1)
		return
	}
	if oneIn == 1 {
		oneIn = 0 // It isn't one of a sample.
	}
	t.keep(l.appendJSON(make([]byte, 0, usualLine), o, oneIn))
}

// keep keeps a line for the reader, or drops it if too much waits already.
func (t *Tail) keep(line []byte) {
	if t.waiting.Add(int64(len(line))) <= waitingBytes {
		select {
		case t.lines <- line:
			return
		default:
		}
	}
	t.waiting.Add(-int64(len(line)))
	t.leftOut.Add(1)
}

// Next waits for a line, which ends in a newline. leftOut is how many requests that were wanted
// have no line, since the last call. The error is the cause of ctx's end.
func (t *Tail) Next(ctx context.Context) (line []byte, leftOut int64, err error) {
	select {
	case line = <-t.lines:
		t.waiting.Add(-int64(len(line)))
		return line, t.leftOut.Swap(0), nil
	case <-ctx.Done():
		return nil, t.leftOut.Swap(0), context.Cause(ctx)
	}
}

// pace chooses among requests, so that there are not more than toldASecond.
type pace struct {
	// second is the one that it counts in, seen how many requests there were in it, and told how
	// many were chosen.
	second, seen, told atomic.Int64
	// others is how many are left out for each that is chosen.
	others atomic.Uint32
}

// draw returns how many requests one at this moment stands for; 0 if it is left out.
func (p *pace) draw(now time.Duration) (oneIn uint32) {
	if before, second := p.second.Load(), int64(now/time.Second); second > before && p.second.CompareAndSwap(before, second) {
		others := uint32(0)
		if seen := p.seen.Swap(0); second == before+1 && seen > toldASecond {
			others = 1<<bits.Len64(uint64((seen-1)/toldASecond)) - 1
		}
		p.others.Store(others)
		p.told.Store(0)
	}
	p.seen.Add(1)
	others := p.others.Load()
	if !drawn(others) || p.told.Add(1) > toldASecond {
		return 0
	}
	return others + 1
}
