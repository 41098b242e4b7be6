package outcome

import (
	"strconv"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/meter"
)

// Traffic counts the requests of one route that go to one pool, or to none.
type Traffic struct {
	route, pool string
	cells       *meter.Each[trafficCell]
}

// trafficCell is what one processor has counted.
type trafficCell struct {
	// requests counts those that ended, by seriesOf.
	requests meter.Tally
	// durations are how long they took, by the class of their status, and overhead is our part of
	// those that a backend responded to. Without a request there is none.
	durations [classes]atomic.Pointer[meter.Histogram]
	overhead  meter.Histogram
}

// classes is how many classes of status there are. 0 stands for what is no status.
const classes = 6

func classOf(status int) int {
	if class := status / 100; class < classes {
		return class
	}
	return 0
}

func newTraffic(route, pool string) *Traffic {
	return &Traffic{route, pool, meter.NewEach[trafficCell]()}
}

// ended counts a request that has ended.
func (t *Traffic) ended(o *Outcome) {
	t.cells.Mine().requests.Add(seriesOf(o.method(), o.Status))
}

// took counts how long a request took. The length of a tunnel tells nothing of anybody's speed.
func (t *Traffic) took(o *Outcome) {
	total := o.Times.Total()
	if total == 0 || o.Status == fasthttp.StatusSwitchingProtocols {
		return
	}
	mine := t.cells.Mine()
	mine.duration(classOf(o.Status)).Observe(total)
	if o.Failure == nil && o.Refusal == nil && o.Sent.Backend != nil {
		mine.overhead.Observe(o.Times.Of(OwnPart))
	}
}

// duration is the histogram of a class.
func (c *trafficCell) duration(class int) *meter.Histogram {
	p := &c.durations[class]
	if h := p.Load(); h != nil {
		return h
	}
	p.CompareAndSwap(nil, new(meter.Histogram))
	return p.Load()
}

// TrafficStats is what a Traffic has counted.
type TrafficStats struct {
	// Route and Pool are their names. Both are "" for requests of no route, and Pool is for those
	// that go to none.
	Route, Pool string
	// Requests are those that ended, by method and status.
	Requests []RequestCount
	// Durations are how long they took, by the class of their status: [2] has the 2xx. Tunnels
	// aren't among them. Overhead is our part of those that a backend responded to: from when the
	// head was read, without waiting for the body, for a connection to the backend or for its
	// response, and until the first part of the response has left.
	Durations [classes]meter.Distribution
	Overhead  meter.Distribution
}

// RequestCount is how many requests of a method ended in a status.
type RequestCount struct {
	// Method is one of the registered ones, or else "_OTHER".
	Method string
	// Code is the status, such as "200", or its class, such as "2xx", if it is none that is known.
	Code  string
	Count int64
}

// stats is what was counted.
func (t *Traffic) stats() TrafficStats {
	s := TrafficStats{Route: t.route, Pool: t.pool}
	counts := map[uint32]int64{}
	for c := range t.cells.All() {
		for key, n := range c.requests.All() {
			counts[key] += n
		}
		for class := range c.durations {
			if h := c.durations[class].Load(); h != nil {
				h.AddTo(&s.Durations[class])
			}
		}
		c.overhead.AddTo(&s.Overhead)
	}
	for key, n := range counts {
		s.Requests = append(s.Requests, RequestCount{methods[key>>seriesBits], codeText(int(key & seriesMask)), n})
	}
	return s
}

// A series is what requests are counted by: a method and a status, as one key above 0. Clients and
// backends choose them, so that there are no more of them than both have of known ones.
const (
	seriesBits = 10
	seriesMask = 1<<seriesBits - 1
)

func seriesOf(method uint32, status int) uint32 {
	return method<<seriesBits | uint32(knownCode(status))
}

// methods are those that are told apart; the last stands for all others.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "_OTHER"}

// method is the request's among methods.
func (o *Outcome) method() uint32 {
	other := uint32(len(methods) - 1)
	if o.Head == nil {
		return other
	}
	for i := range other {
		if string(o.Head.Method) == methods[i] {
			return i
		}
	}
	return other
}

// knownCode is the status, or its class, from 0 to 9, if it is none that is known.
func knownCode(status int) int {
	if status < 100 || status > 999 {
		return 1000 // no status at all
	}
	if status == statusClientGone || known[status] {
		return status
	}
	return status / 100
}

var known = knownStatuses()

func knownStatuses() (all [1000]bool) {
	unknown := fasthttp.StatusMessage(999)
	for status := range all {
		all[status] = status >= 100 && fasthttp.StatusMessage(status) != unknown
	}
	return all
}

func codeText(code int) string {
	switch {
	case code == 1000:
		return ""
	case code < 10:
		return strconv.Itoa(code) + "xx"
	}
	return strconv.Itoa(code)
}
