package outcome

import "sync/atomic"

// Stats counts what happened to requests. Each figure has the same name here, among the counters
// and in the admin API's GET /status. The counters are read one after the other, not at one moment.
type Stats struct {
	// Total counts the requests that began, InFlight those that run now.
	Total, InFlight int64
	// Limited counts our own 429s.
	Limited int64
	// Responses counts what clients were sent.
	Responses Responses
	// BadGateway, Unavailable and GatewayTimeout count our own 502s, 503s and 504s.
	BadGateway, Unavailable, GatewayTimeout int64
	// ClientGone counts the requests that their client broke off before the response began.
	ClientGone int64
	// TooSlow counts the requests that were broken off because their client sent or took bytes at
	// less than the least rate.
	TooSlow int64
	// Mended counts the responses that were framed anew because the backend's framing was odd.
	Mended int64
	// Retries counts the requests that were sent a second time.
	Retries int64
	// Cut counts the responses that ended early: the backend broke in the middle, or the client
	// did.
	Cut int64
	// Panics counts the bugs that were contained.
	Panics int64
}

// Responses counts responses by the class of their status.
type Responses struct {
	// Informational are 1xx: the interim responses that were passed on, and each 101 from when it
	// was sent.
	Informational int64
	// ClientError has the requests whose client went away before the response, too.
	Successful, Redirection, ClientError, ServerError int64
}

// cacheLines keeps what every request writes to away from what it reads: two lines, because
// processors fetch them in pairs.
const cacheLines = 128

// counters are what Stats is made from. A request that succeeds changes two of them.
type counters struct {
	_     [cacheLines]byte
	total atomic.Int64
	// ended counts the requests that ended, by status / 100. informational counts the 1xx
	// responses, which end no request; but a 101 does, later.
	ended                                             [10]atomic.Int64
	informational                                     atomic.Int64
	limited, badGateway, unavailable, gatewayTimeout  atomic.Int64
	clientGone, tooSlow, mended, retries, cut, panics atomic.Int64
	_                                                 [cacheLines]byte
}

// finished counts a request that ended with a status, and with f if it is not nil.
func (c *counters) finished(status int, f *Failure) {
	c.ended[status/100%len(c.ended)].Add(1)
	if f == nil || status != f.Status {
		return
	}
	if n := c.of(f); n != nil {
		n.Add(1)
	}
}

// of is the counter of a failure; nil if there is none.
func (c *counters) of(f *Failure) *atomic.Int64 {
	switch f.Status {
	case 502:
		return &c.badGateway
	case 503:
		return &c.unavailable
	case 504:
		return &c.gatewayTimeout
	case Limited.Status:
		return &c.limited
	case statusClientGone:
		return &c.clientGone
	}
	return nil
}

// stats reads the counters. Ends are read before beginnings, so that what happens in between can't
// make the difference negative.
func (c *counters) stats() Stats {
	var all int64
	var ended [len(c.ended)]int64
	for i := range ended {
		ended[i] = c.ended[i].Load()
		all += ended[i]
	}
	total := c.total.Load()
	return Stats{
		Total:    total,
		InFlight: total - all,
		Limited:  c.limited.Load(),
		Responses: Responses{
			Informational: c.informational.Load(),
			Successful:    ended[2], Redirection: ended[3], ClientError: ended[4], ServerError: ended[5],
		},
		BadGateway:     c.badGateway.Load(),
		Unavailable:    c.unavailable.Load(),
		GatewayTimeout: c.gatewayTimeout.Load(),
		ClientGone:     c.clientGone.Load(),
		TooSlow:        c.tooSlow.Load(),
		Mended:         c.mended.Load(),
		Retries:        c.retries.Load(),
		Cut:            c.cut.Load(),
		Panics:         c.panics.Load(),
	}
}
