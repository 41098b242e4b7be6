package outcome

import (
	"cmp"
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/meter"
)

// Recorder counts and logs the outcomes of requests. All its methods may be called at the same
// time.
type Recorder struct {
	log      zerolog.Logger
	counters *meter.Each[counters]
	// names are what is counted by route and by limit, and unrouted counts requests of no route.
	names    atomic.Pointer[names]
	unrouted *Traffic
	refusals refusals
	denials  denials
	tails    tails
	// unintroduced bounds how often Unintroduced logs.
	unintroduced rate.Sometimes
}

// NewRecorder makes a recorder. log gets what happens besides requests: their lines go to a Log.
func NewRecorder(log zerolog.Logger) *Recorder {
	r := &Recorder{
		log: log, counters: meter.NewEach[counters](), unrouted: newTraffic("", ""),
		denials:      newDenials(),
		unintroduced: rate.Sometimes{Interval: time.Second},
	}
	r.names.Store(newNames(r.unrouted))
	return r
}

// Began counts a request that begins.
func (r *Recorder) Began() { r.counters.Mine().total.Add(1) }

// Informed counts a 1xx response that was sent.
func (r *Recorder) Informed() { r.counters.Mine().informational.Add(1) }

// Retried counts a request that is sent a second time.
func (r *Recorder) Retried() { r.counters.Mine().retries.Add(1) }

// Ended counts the request as ended, once. It comes before the last bytes of the response leave, so
// that whoever has the response finds it counted.
func (r *Recorder) Ended(o *Outcome) {
	if !o.counted {
		o.counted = true
		r.counters.Mine().finished(o.Status, o.Failure)
		r.trafficOf(o).ended(o)
		if o.denied() {
			r.denials.add(o)
		}
	}
}

// trafficOf is what counts the requests that go the same way.
func (r *Recorder) trafficOf(o *Outcome) *Traffic { return cmp.Or(o.Traffic, r.unrouted) }

// Took counts what each of the request's limits said, once all were asked. Of a request that is
// refused only those count that are a reason: nothing was taken from the others.
func (r *Recorder) Took(o *Outcome, allowed bool) {
	for i := range o.Limits {
		if l := &o.Limits[i]; l.Allowed == allowed {
			l.takes.count(l)
		}
	}
}

// Failed counts a failure that may come after the request has ended, when the rest of its response
// is on its way. Like Ended, it comes before what the client is told.
func (r *Recorder) Failed(o *Outcome) {
	if o.Failure == ClientSlow {
		r.counters.Mine().tooSlow.Add(1)
	}
}

// Record records a request that has ended, and logs it as a Log says.
func (r *Recorder) Record(o *Outcome, l *Log) {
	r.Ended(o)
	o.Times.End()
	r.trafficOf(o).took(o)
	if o.Broken {
		r.counters.Mine().cut.Add(1)
	}
	l.write(o)
	r.tails.tell(o, l)
	if o.Refusal != nil {
		r.refusals.add(o)
	}
}

// Mended counts a response that is framed anew because the backend's framing was odd, and logs each
// oddity that isn't known of the backend yet.
func (r *Recorder) Mended(b *balancer.Backend, known *KnownFaults, faults http1.Mended) {
	r.counters.Mine().mended.Add(1)
	for _, text := range known.learn(faults) {
		r.log.Warn().Str("backend", b.Name()).Str("sends", text).
			Msg("a backend's responses are malformed in a harmless way and framed anew; this is logged once")
	}
}

// Contain recovers from a panic, which must be on its way through the function that deferred it,
// and sets err to the failure. Nothing else recovers from the panics of requests.
func (r *Recorder) Contain(err *error) {
	v := recover()
	if v == nil {
		return
	}
	r.counters.Mine().panics.Add(1)
	r.log.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("a request panicked")
	*err = Panicked.Because(fmt.Errorf("panic: %v", v))
}

// Unopened counts a client whose TLS handshake failed. It is logged if access is set.
func (r *Recorder) Unopened(peer netip.Addr, err error, access bool) {
	r.counters.Mine().failedHandshakes.Add(1)
	if access {
		var buf [64]byte
		r.log.Info().Bytes("remote_ip", identity.AppendAddr(buf[:0], peer)).Err(err).Msg("a client's TLS handshake failed")
	}
}

// Faulty logs a client whose connection ended for what it did, if access is set.
func (r *Recorder) Faulty(peer netip.Addr, why error, access bool) {
	if access {
		var buf [64]byte
		r.log.Info().Bytes("remote_ip", identity.AppendAddr(buf[:0], peer)).Err(why).Msg("a client's HTTP/2 connection was ended")
	}
}

// Unintroduced counts a connection whose peer didn't name its client. It is logged, but not often:
// anybody can make such connections.
func (r *Recorder) Unintroduced(peer netip.Addr, err error) {
	r.counters.Mine().unintroduced.Add(1)
	r.unintroduced.Do(func() {
		var buf [64]byte
		r.log.Warn().Bytes("remote_ip", identity.AppendAddr(buf[:0], peer)).Err(err).Int64("so_far", r.Stats().Unintroduced).
			Msg("a connection was closed: it doesn't name its client by the PROXY protocol")
	})
}

// Stats is what was counted.
func (r *Recorder) Stats() Stats { return statsOf(r.counters) }

// Failures are how often requests failed, by the reason that the log has, in its order.
func (r *Recorder) Failures() []ReasonCount { return failuresOf(r.counters) }

// RefusedFor are how often messages were refused, by the rule that they broke, in its order.
func (r *Recorder) RefusedFor() []ReasonCount { return r.refusals.reasons() }

// Refused are the last messages that were refused, of clients and of backends, newest first.
func (r *Recorder) Refused() []Refused { return r.refusals.all() }
