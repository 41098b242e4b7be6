package outcome

import (
	"fmt"
	"runtime/debug"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/http1"
)

// Recorder counts and logs the outcomes of requests. All its methods may be called at the same
// time.
type Recorder struct {
	log      zerolog.Logger
	counters counters
	refusals refusals
	mended   knownFaults
}

// NewRecorder makes a recorder that writes the access log to log.
func NewRecorder(log zerolog.Logger) *Recorder { return &Recorder{log: log} }

// Began counts a request that begins.
func (r *Recorder) Began() { r.counters.total.Add(1) }

// Informed counts a 1xx response that was sent.
func (r *Recorder) Informed() { r.counters.informational.Add(1) }

// Retried counts a request that is sent a second time.
func (r *Recorder) Retried() { r.counters.retries.Add(1) }

// Ended counts the request as ended, once. It comes before the last bytes of the response leave, so
// that whoever has the response finds it counted.
func (r *Recorder) Ended(o *Outcome) {
	if !o.counted {
		o.counted = true
		r.counters.finished(o.Status, o.Failure)
	}
}

// Failed counts a failure that may come after the request has ended, when the rest of its response
// is on its way. Like Ended, it comes before what the client is told.
func (r *Recorder) Failed(o *Outcome) {
	if o.Failure == ClientSlow {
		r.counters.tooSlow.Add(1)
	}
}

// Record records a request that has ended. Its line is written if access is set, or if we failed to
// serve it.
func (r *Recorder) Record(o *Outcome, access bool) {
	r.Ended(o)
	if o.Broken {
		r.counters.cut.Add(1)
	}
	if access || o.Failure.ours() {
		o.write(r.log)
	}
	if o.Refusal != nil {
		r.refusals.add(o)
	}
}

// Mended counts a response that is framed anew because the backend's framing was odd, and logs each
// oddity once a backend.
func (r *Recorder) Mended(b *balancer.Backend, faults http1.Mended) {
	r.counters.mended.Add(1)
	for _, text := range r.mended.learn(b, faults) {
		r.log.Warn().Str("backend", b.URL()).Str("sends", text).
			Msg("a backend's responses are malformed in a harmless way and framed anew; this is logged once")
	}
}

// Contain recovers from a panic, which must be on its way through the function that deferred it,
// and has err be the failure. Nothing else recovers from the panics of requests.
func (r *Recorder) Contain(err *error) {
	v := recover()
	if v == nil {
		return
	}
	r.counters.panics.Add(1)
	r.log.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("a request panicked")
	*err = Panicked.Because(fmt.Errorf("panic: %v", v))
}

// Stats is what was counted.
func (r *Recorder) Stats() Stats { return r.counters.stats() }

// Refused are the last messages that were refused, of clients and of backends, newest first.
func (r *Recorder) Refused() []Refused { return r.refusals.all() }
