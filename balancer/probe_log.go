package balancer

import (
	"time"

	"gopher-equalizer/proxy/meter"
)

// MaxProbeResults is how many results of probes a backend keeps.
const MaxProbeResults = 32

// ProbeResult is the result of one probe.
type ProbeResult struct {
	// At is when it ended, in UTC, and Took how long it took.
	At   time.Time
	Took time.Duration
	// OK reports whether it succeeded, and Found is what it found, such as "200 in 0.8ms" or
	// "connect: connection refused".
	OK    bool
	Found string
}

// ProbeCounts are what all probes of a backend came to.
type ProbeCounts struct {
	Succeeded, Failed int64
	// Durations are how long they took.
	Durations meter.Distribution
}

// probeLog is what the probes of a backend found. Pool.mu guards it.
type probeLog struct {
	// results are the last ones, in a ring in which next is the oldest once it is full.
	results   []ProbeResult
	next      int
	counts    ProbeCounts
	durations meter.Histogram
}

// add notes a result.
func (l *probeLog) add(r ProbeResult) {
	l.durations.Observe(r.Took)
	if r.OK {
		l.counts.Succeeded++
	} else {
		l.counts.Failed++
	}
	if len(l.results) < MaxProbeResults {
		l.results = append(l.results, r)
		return
	}
	l.results[l.next] = r
	l.next = (l.next + 1) % MaxProbeResults
}

// last is the result that came last; the zero one before the first.
func (l *probeLog) last() ProbeResult {
	if len(l.results) == 0 {
		return ProbeResult{}
	}
	return l.results[(l.next+len(l.results)-1)%len(l.results)]
}

// all are the results that are kept, the last one first.
func (l *probeLog) all() []ProbeResult {
	all := make([]ProbeResult, 0, len(l.results))
	for i := range l.results {
		all = append(all, l.results[(l.next+len(l.results)-1-i)%len(l.results)])
	}
	return all
}

// counted is what all came to.
func (l *probeLog) counted() ProbeCounts {
	c := l.counts
	l.durations.AddTo(&c.Durations)
	return c
}

// ProbeResults are the last results of a backend's probes, the last one first, up to
// MaxProbeResults. The error is ErrNoBackend.
func (p *Pool) ProbeResults(name string) ([]ProbeResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.find(name)
	if b == nil {
		return nil, ErrNoBackend
	}
	return b.probes.all(), nil
}
