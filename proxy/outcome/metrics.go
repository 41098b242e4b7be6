package outcome

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"gopher-equalizer/proxy/meter"
)

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
	// FailedHandshakes counts the clients whose TLS handshake failed.
	FailedHandshakes int64
	// Unintroduced counts the connections that were closed because their peer named no client by
	// the PROXY protocol, where it must, or isn't one that may.
	Unintroduced int64
}

// Responses counts responses by the class of their status.
type Responses struct {
	// Informational are 1xx: the interim responses that were passed on, and each 101 from when it
	// was sent.
	Informational int64
	// ClientError has the requests whose client went away before the response, too.
	Successful, Redirection, ClientError, ServerError int64
}

// counters are what Stats is made from, as one processor has counted it.
type counters struct {
	total atomic.Int64
	// ended counts the requests that ended, by status / 100. informational counts the 1xx
	// responses, which end no request; but a 101 does, later.
	ended                                             [10]atomic.Int64
	informational                                     atomic.Int64
	limited, badGateway, unavailable, gatewayTimeout  atomic.Int64
	clientGone, tooSlow, mended, retries, cut, panics atomic.Int64
	failedHandshakes, unintroduced                    atomic.Int64
	// failures counts by Failure.number.
	failures meter.Tally
}

// finished counts a request that ended with a status, and with f if it is not nil.
func (c *counters) finished(status int, f *Failure) {
	c.ended[status/100%len(c.ended)].Add(1)
	if f == nil {
		return
	}
	if f.number > 0 {
		c.failures.Add(f.number)
	}
	if status != f.Status {
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

// statsOf adds up the counters. Ends are read before beginnings, so that what happens in between
// can't make the difference negative.
func statsOf(all *meter.Each[counters]) Stats {
	sum := func(of func(*counters) *atomic.Int64) (n int64) {
		for c := range all.All() {
			n += of(c).Load()
		}
		return n
	}
	var ended [10]int64
	inFlight := int64(0)
	for class := range ended {
		ended[class] = sum(func(c *counters) *atomic.Int64 { return &c.ended[class] })
		inFlight -= ended[class]
	}
	total := sum(func(c *counters) *atomic.Int64 { return &c.total })
	return Stats{
		Total:    total,
		InFlight: inFlight + total,
		Limited:  sum(func(c *counters) *atomic.Int64 { return &c.limited }),
		Responses: Responses{
			Informational: sum(func(c *counters) *atomic.Int64 { return &c.informational }),
			Successful:    ended[2], Redirection: ended[3], ClientError: ended[4], ServerError: ended[5],
		},
		BadGateway:       sum(func(c *counters) *atomic.Int64 { return &c.badGateway }),
		Unavailable:      sum(func(c *counters) *atomic.Int64 { return &c.unavailable }),
		GatewayTimeout:   sum(func(c *counters) *atomic.Int64 { return &c.gatewayTimeout }),
		ClientGone:       sum(func(c *counters) *atomic.Int64 { return &c.clientGone }),
		TooSlow:          sum(func(c *counters) *atomic.Int64 { return &c.tooSlow }),
		Mended:           sum(func(c *counters) *atomic.Int64 { return &c.mended }),
		Retries:          sum(func(c *counters) *atomic.Int64 { return &c.retries }),
		Cut:              sum(func(c *counters) *atomic.Int64 { return &c.cut }),
		Panics:           sum(func(c *counters) *atomic.Int64 { return &c.panics }),
		FailedHandshakes: sum(func(c *counters) *atomic.Int64 { return &c.failedHandshakes }),
		Unintroduced:     sum(func(c *counters) *atomic.Int64 { return &c.unintroduced }),
	}
}

// ReasonCount is how often there was a reason to fail or to refuse.
type ReasonCount struct {
	Reason string
	Count  int64
}

// failuresOf are how often requests failed, by the reason, in the order of its name.
func failuresOf(all *meter.Each[counters]) []ReasonCount {
	counts := map[string]int64{}
	for c := range all.All() {
		for number, n := range c.failures.All() {
			counts[numbered[number-1].Reason] += n
		}
	}
	return reasonCounts(maps.All(counts))
}

func reasonCounts(counts iter.Seq2[string, int64]) (all []ReasonCount) {
	for reason, n := range counts {
		all = append(all, ReasonCount{reason, n})
	}
	slices.SortFunc(all, func(a, b ReasonCount) int { return strings.Compare(a.Reason, b.Reason) })
	return all
}
