package balancer

import (
	"sync/atomic"

	"gopher-equalizer/proxy/meter"
)

// measures counts what the attempts at a backend came to, as one processor has seen them. Nothing
// is decided by it: that is live's.
type measures struct {
	// responses counts those by the class of their status, faults the attempts that the backend
	// broke, by how it did.
	responses [6]atomic.Int64
	faults    [Late + 1]atomic.Int64
	latency   meter.Histogram
}

// note takes what an attempt showed.
func (m *measures) note(r Result) {
	if r.Fault != NoFault {
		m.faults[r.Fault].Add(1)
	}
	if class := r.Status / 100; class > 0 && class < len(m.responses) {
		m.responses[class].Add(1)
		m.latency.Observe(r.Latency)
	}
}

// Measured is what the attempts at a backend came to.
type Measured struct {
	// Responses are those by the class of their status: [2] has the 2xx.
	Responses [6]int64
	// Faults are how many attempts the backend broke, by the Fault.
	Faults [Late + 1]int64
	// Latency is how long it took until the heads of its responses were there.
	Latency meter.Distribution
	// Retries counts the attempts that followed one at this backend.
	Retries int64
}

// measured adds up what was counted.
func (b *Backend) measured() Measured {
	m := Measured{Retries: b.retried.Load()}
	for c := range b.measures.All() {
		for i := range c.responses {
			m.Responses[i] += c.responses[i].Load()
		}
		for i := range c.faults {
			m.Faults[i] += c.faults[i].Load()
		}
		c.latency.AddTo(&m.Latency)
	}
	return m
}
