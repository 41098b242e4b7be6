package balancer

import "time"

// EjectionSettings are for what a backend is ejected: left out because of what its requests show,
// whatever its probes find. The zero value ejects nobody.
type EjectionSettings struct {
	// Consecutive is how many requests in a row must fail; 0 doesn't count them.
	Consecutive int
	// Statuses are those of responses that count as failures, beside every Fault.
	Statuses []StatusRange
	// SuccessRate and Latency compare backends every Interval, each with the mean of the others:
	// see outliers.
	SuccessRate, Latency bool
	// Interval is a whole number of seconds.
	Interval time.Duration
	// Deviations is how many standard deviations are far from the mean.
	Deviations float64
	// MinRequests is how many responses a backend must have given in an Interval to be compared,
	// and MinBackends how many such backends there must be, at least 2.
	MinRequests, MinBackends int
	// Time is how long the first ejection lasts at least. The second one lasts twice as long, and
	// so on up to MaxTime. Every Time without one takes one off.
	Time, MaxTime time.Duration
	// MaxPercent is how many of the backends that are wanted may be ejected at once, up to 99. It
	// never is the last one that is available.
	MaxPercent int
	// PanicPercent is of how many of them too few are left: all whose probes succeed get requests
	// then, ejected or not.
	PanicPercent int
}

// ejection is whether a backend is ejected, and its history. It knows no clock and takes no lock.
type ejection struct {
	// until is before when the ejection doesn't end; the zero time if the backend isn't ejected.
	// why is for operators.
	until time.Time
	why   string
	// strikes is how many times Time the last ejection lasted, and ended when it did.
	strikes int
	ended   time.Time
	// count counts all.
	count int64
}

// none reports whether nobody is ejected.
func (s *EjectionSettings) none() bool { return s.Consecutive == 0 && !s.SuccessRate && !s.Latency }

// is reports whether the backend is ejected.
func (e *ejection) is() bool { return !e.until.IsZero() }

// begin ejects the backend.
func (e *ejection) begin(now time.Time, why string, s *EjectionSettings) {
	if e.strikes > 0 {
		calm := now.Sub(e.ended) / max(s.Time, 1)
		//mutant:zero ejections-do-not-grow
		e.strikes = max(0, e.strikes-int(min(calm, maxStrikes)))
	}
	//mutant:drop an-ejection-has-no-time
	e.strikes = min(e.strikes+1, maxStrikes)
	e.count++
	//mutant:first ejections-grow-without-bound
	lasts := min(time.Duration(e.strikes)*s.Time, max(s.MaxTime, s.Time))
	e.why, e.until = why, now.Add(lasts)
}

// maxStrikes keeps the product of strikes and a Time of a day below what a Duration holds.
const maxStrikes = 10_000

// passed takes a probe that passed, and reports whether it ends the ejection.
func (e *ejection) passed(now time.Time) (ended bool) {
	//mutant:true nobody-comes-back
	//mutant:left a-passed-probe-alone-ends-an-ejection
	if !e.is() || now.Before(e.until) {
		return false
	}
	e.end(now)
	return true
}

// end ends the ejection.
func (e *ejection) end(now time.Time) {
	e.until, e.why, e.ended = time.Time{}, "", now
}
