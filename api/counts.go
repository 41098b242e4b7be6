package api

import "gopher-equalizer/proxy/meter"

// Counts is what was counted by names, for GET /metrics.
type Counts struct {
	// Traffic has the requests of each route, by the pool that they went to.
	Traffic []Traffic
	// Failures are why requests failed, and Refused why messages were refused, as the log has it.
	Failures, Refused []ReasonCount
}

// Traffic is what was counted of the requests of a route that went to one pool, or to none.
type Traffic struct {
	// Route and Pool are their names. Both are "" for requests of no route, and Pool is for those
	// that went to none.
	Route, Pool string
	// Requests are those that ended, by method and status.
	Requests []RequestCount
	// Durations are how long they took, by the class of their status: [2] has the 2xx, and [0] what
	// has none.
	Durations [6]meter.Distribution
	// Overhead is the proxy's part of the time of those that a backend responded to.
	Overhead meter.Distribution
}

// RequestCount is how many requests of a method ended in a status.
type RequestCount struct {
	Method, Code string
	Count        int64
}

// ReasonCount is how often there was a reason to fail or to refuse.
type ReasonCount struct {
	Reason string
	Count  int64
}

// counts is what was counted by names so far.
func (s *snapshot) counts() Counts {
	if s.sources.Counts == nil {
		return Counts{}
	}
	return s.sources.Counts()
}
