package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

// peakEWMA draws two backends by weight, and chooses the one that would be done sooner: with the
// lower latency times the requests that it would have (Finagle's "peak EWMA").
type peakEWMA struct {
	*candidates
	*lastResponse
}

// lastResponse is about when a pool's last response came. Picks take it for the time: a clock would
// cost as much as all the rest, and where nothing comes, nothing that is known gets older.
type lastResponse struct {
	_  [cacheLines]byte
	at atomic.Int64
	_  [cacheLines]byte
}

// newPeakEWMA is the builder of PeakEWMA.
func newPeakEWMA() builder {
	last := &lastResponse{}
	return func(c *candidates) chooser {
		for _, b := range c.backends {
			b.latency.tells.Store(last)
		}
		return &peakEWMA{c, last}
	}
}

func (p *peakEWMA) choose(Client) *Backend {
	warming := p.now()
	b, other := p.two(warming)
	return p.sooner(b, other, warming)
}

func (p *peakEWMA) another(_ Client, tried tried) *Backend {
	warming := p.now()
	b, other := p.twoOthers(&tried, warming)
	if b == nil {
		return nil
	}
	return p.sooner(b, other, warming)
}

// sooner is the one of two that would be done sooner, if there is another one.
func (p *peakEWMA) sooner(b, other *Backend, warming moment) *Backend {
	at := moment(p.at.Load())
	if other != nil && p.cost(other, at, warming) < p.cost(b, at, warming) {
		b = other
	}
	b.latency.notePick(at)
	return b
}

// cost is how long a request would take at a backend, if those that it has are served together.
func (p *peakEWMA) cost(b *Backend, at, warming moment) float64 {
	load := float64(2*b.places.inFlight()) * b.perHalf.Load()
	if warming != 0 {
		load /= p.warmth(b, warming)
	}
	expected := b.latency.expected(at)
	if expected == 0 && load > 0 {
		expected = unheard
	}
	return expected * (1 + load)
}

const (
	// memory is how long it takes until what was known of a backend counts for a third beside its
	// responses since. A single slow response of a fast one is to be forgotten soon.
	memory = 500 * time.Millisecond
	// idleMemory is how long it takes until what is known of one that gets no requests is worth a
	// third. It trades how soon a slow one is tried again against how many requests that takes.
	idleMemory = 5 * time.Second
	// fresh is for how long nothing of it fades, which saves the arithmetic where there is load.
	fresh = moment(idleMemory / 256)
	// unheard is the latency of a backend that has requests and never responded, in nanoseconds. So
	// a new one gets a single request first.
	unheard = float64(time.Second)
	// A failure counts as a response that took faultFactor times as long as expected, from
	// leastFault to mostFault nanoseconds. A backend that fails quickly would draw all requests.
	faultFactor = 10
	leastFault  = float64(10 * time.Millisecond)
	mostFault   = float64(10 * time.Second)
)

// latency is how soon a backend responds, as its responses tell. A slower response counts at once
// and in full (the peak), a faster one the more, the longer ago the last one was.
type latency struct {
	// estimate is in nanoseconds; 0 before the first response.
	estimate atomicFloat
	// heard is when the last response came, and picked about when the last request went there.
	heard, picked atomic.Int64
	// tells is who wants to know; nil if nobody does.
	tells atomic.Pointer[lastResponse]
}

// expected is the latency of the next response, in nanoseconds; 0 if nothing is known. It falls
// while nobody goes there, so that what has once been slow is tried again. Then it is what it was
// until the response comes, so only one request finds out.
func (l *latency) expected(at moment) float64 {
	if at-moment(l.heard.Load()) < fresh {
		return l.estimate.Load()
	}
	return l.faded(at)
}

func (l *latency) faded(at moment) float64 {
	return l.estimate.Load() * fading(at-moment(max(l.heard.Load(), l.picked.Load())), idleMemory)
}

// notePick ends the falling of expected. Exactness isn't worth a write for each request.
func (l *latency) notePick(at moment) {
	if at-moment(l.picked.Load()) > moment(idleMemory/40) {
		l.picked.Store(int64(at))
	}
}

// observe takes what an attempt showed, if anybody wants to know.
func (l *latency) observe(r Result) {
	tells := l.tells.Load()
	if tells == nil || r.Fault == NoFault && r.Status == 0 {
		return
	}
	at := now()
	if at-moment(tells.at.Load()) > moment(idleMemory/1024) {
		tells.at.Store(int64(at))
	}
	passed := at - moment(l.heard.Swap(int64(at)))
	for {
		was := l.estimate.Load()
		if l.estimate.CompareAndSwap(was, r.after(was, fading(passed, memory))) {
			return
		}
	}
}

// after is the estimate after a result. A part of it is the estimate before, if that was higher.
func (r Result) after(before, part float64) float64 {
	took := float64(r.Latency)
	if r.Fault != NoFault || r.Status >= 500 {
		took = max(took, min(max(faultFactor*before, leastFault), mostFault))
	}
	if took >= before {
		return took
	}
	return took + (before-took)*part
}

// fading is what is left after a time of what fades to a third within another one.
func fading(after moment, within time.Duration) float64 {
	part := float64(after) / float64(within)
	if part < 1./256 {
		return 1 - part // As exact, and most often so.
	}
	return math.Exp(-part)
}
