package balancer

import (
	"sync/atomic"
	"time"
)

// live is what requests show of a backend. They write it without a lock, and Pool.judge reads it.
// One that succeeds writes only to waited, and only if latencies are compared.
type live struct {
	// streak counts the failures in a row, as rules count them.
	streak atomic.Int64
	// faults counts the attempts that the backend broke, refused the responses with a status that
	// counts as a failure, and nothing the attempts that showed nothing.
	faults, refused, nothing atomic.Int64
	// waited is the sum of the successful responses' latencies, in nanoseconds.
	waited atomic.Int64
	rules  atomic.Pointer[liveRules]
}

// liveRules are what counts as a failure. They are never changed.
type liveRules struct {
	statuses StatusSet
	// consecutive is how many in a row raise the alarm; 0 is never.
	consecutive int64
	// latency reports whether latencies are compared.
	latency bool
	// alarm has the pool look at its backends.
	alarm chan struct{}
}

func newLiveRules(s *EjectionSettings, alarm chan struct{}) *liveRules {
	return &liveRules{NewStatusSet(s.Statuses), int64(s.Consecutive), s.Latency, alarm}
}

// note takes what an attempt showed.
func (l *live) note(result Result) {
	rules := l.rules.Load()
	switch {
	case result.Fault != NoFault:
		l.faults.Add(1)
	case result.Status == 0:
		l.nothing.Add(1)
		return
	case rules.statuses.Has(result.Status):
		l.refused.Add(1)
	default:
		if rules.latency {
			l.waited.Add(int64(result.Latency))
		}
		//mutant:false a-streak-outlives-a-success
		if l.streak.Load() != 0 {
			l.streak.Store(0)
		}
		return
	}
	//mutant:false an-alarm-is-not-raised
	if l.streak.Add(1) == rules.consecutive {
		select {
		case rules.alarm <- struct{}{}:
		default: // It was raised.
		}
	}
}

// traffic is what a backend was asked and has shown, over all time or over an interval.
type traffic struct {
	// begun counts the attempts, ended those that ended and showed something, failed those of them
	// that count as failures.
	begun, ended, failed int64
	waited               time.Duration
}

// traffic reads the counters. They are read one after the other, not at one moment: the failures
// first, so that they never exceed what has ended.
func (b *Backend) traffic() traffic {
	l := &b.live
	failed := l.faults.Load() + l.refused.Load()
	nothing, waited := l.nothing.Load(), l.waited.Load()
	all, inFlight := b.places.counts()
	return traffic{begun: all, ended: all - inFlight - nothing, failed: failed, waited: time.Duration(waited)}
}

// less is what came since another traffic.
func (t traffic) less(before traffic) traffic {
	return traffic{t.begun - before.begun, t.ended - before.ended, t.failed - before.failed, t.waited - before.waited}
}

// successRate is the share of the attempts that succeeded, 0 to 1.
func (t traffic) successRate() float64 { return 1 - float64(t.failed)/float64(t.ended) }

// latency is the mean over the attempts that succeeded; 0 if none did.
func (t traffic) latency() float64 {
	if t.ended <= t.failed {
		return 0
	}
	return float64(t.waited) / float64(t.ended-t.failed)
}
