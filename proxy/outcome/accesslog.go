package outcome

import (
	"strings"

	"github.com/rs/zerolog"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// writeJSON writes the request's line: what it was, how it ended, and why. It has no header's value
// but Host, X-Request-ID and those that are asked for, and the client_id as it is stored, a hash if
// the key is secret. It stands for one in so many requests; 0 and 1 are all.
func (l *Log) writeJSON(o *Outcome, log zerolog.Logger, oneIn uint32) {
	line := log.Info()
	// A client past its share writes as many lines as it likes. An error's is written at once, and
	// so would cost more than the request.
	if o.Failure.ours() && o.Failure != ClientShare {
		line = log.Error()
	}
	if line == nil {
		return
	}
	line.Dict("request", l.describe(o, line.CreateDict())).
		Int("status", o.Status).
		Int64("size", o.Size)
	if took := o.Times.Total(); took > 0 {
		line.Float64("duration", took.Seconds())
	}
	if waited := o.Times.Of(QueuePart); waited > 0 {
		line.Float64("queue_duration", waited.Seconds())
	}
	o.Sent.write(line, o.Cause)
	if o.Route != "" {
		line.Str("route", o.Route)
	}
	o.writeLimits(line)
	if len(o.From.RequestID) > 0 {
		line.Bytes("request_id", o.From.RequestID)
	}
	if trace := o.From.Trace; len(trace) > 0 {
		line.Bytes("trace_id", trace.ID()).Bytes("span_id", trace.Parent())
	}
	o.writeReason(line)
	if !o.atStop() {
		line.AnErr("error", o.cause())
	}
	if oneIn > 1 {
		line.Uint32("sample", oneIn)
	}
	line.Msg("request")
}

// describe adds what came in; of a request line that could not be read, only who sent it.
func (l *Log) describe(o *Outcome, dict *zerolog.Event) *zerolog.Event {
	if h := o.Head; h != nil && h.Version != nil {
		var buf [512]byte
		dict.Bytes("method", h.Method).
			Bytes("host", http1.WithoutUserinfo(h.Host)).
			Bytes("uri", l.target(buf[:0], h)).
			Bytes("proto", h.Version)
		if len(l.Headers) > 0 {
			dict.Dict("headers", l.headers(h, dict.CreateDict()))
		}
	}
	var buf [64]byte
	return dict.Bytes("client_ip", identity.AppendAddr(buf[:0], o.From.Addr)).
		Bytes("remote_ip", identity.AppendAddr(buf[:0], o.From.Peer))
}

// headers adds the fields that are asked for, as far as the request has them: an array of values
// for each, as Caddy writes them.
func (l *Log) headers(h *http1.Request, dict *zerolog.Event) *zerolog.Event {
	for _, name := range l.Headers {
		var values *zerolog.Array
		for _, f := range h.Fields {
			if !strings.EqualFold(http1.Text(f.Name), name) {
				continue
			}
			if values == nil {
				values = dict.CreateArray()
			}
			var buf [512]byte
			values.Bytes(l.header(buf[:0], f))
		}
		if values != nil {
			dict.Array(name, values)
		}
	}
	return dict
}

// write adds where the request went, and the reason why the last attempt failed.
func (f *Forwarding) write(line *zerolog.Event, cause error) {
	if f.Backend == nil {
		return
	}
	line.Str("backend", f.Backend.Name()).Int("retries", len(f.Before))
	if f.Waited > 0 {
		line.Float64("backend_duration", f.Waited.Seconds())
	}
	line.AnErr("no_retry", f.NoRetry)
	if len(f.Before) > 0 {
		line.Array("attempts", f.attempts(line.CreateArray(), cause))
	}
}

// attempts names the backends that were tried in turn, each with the reason why that was not
// enough.
func (f *Forwarding) attempts(all *zerolog.Array, cause error) *zerolog.Array {
	for _, a := range append(f.Before, Attempt{f.Backend, cause}) {
		one := zerolog.Dict().Str("backend", a.Backend.Name())
		if a.Cause != nil {
			one.Str("reason", a.Cause.Error())
		}
		all.Dict(one)
	}
	return all
}

// writeLimits adds the limit that counted the request, or an array of several.
func (o *Outcome) writeLimits(line *zerolog.Event) {
	switch len(o.Limits) {
	case 0:
	case 1:
		o.Limits[0].write(line)
	default:
		all := line.CreateArray()
		for i := range o.Limits {
			all.Dict(o.Limits[i].write(line.CreateDict()))
		}
		line.Array("limits", all)
	}
}

// write adds a limit, whether it would let the request pass, and whom it counts.
func (l *Limit) write(to *zerolog.Event) *zerolog.Event {
	result := "limited"
	if l.Allowed {
		result = "allowed"
	}
	return to.Str("limit", l.Name).Str("limit_result", result).Bytes("client_id", l.ClientID)
}

// cause is what is logged in words: a refusal's are its own.
func (o *Outcome) cause() error {
	if o.Cause == nil && o.Refusal != nil {
		return o.Refusal
	}
	return o.Cause
}

// writeReason adds why the request failed or was refused, and where in its head the fault is: the
// field's name, never a value.
func (o *Outcome) writeReason(line *zerolog.Event) {
	if why := o.Refusal; why != nil {
		line.Str("refused", why.Message()).Str("reason", why.Reason).Int("offset", why.Offset)
		if why.Field != "" {
			line.Str("field", why.Field)
		}
		return
	}
	if reason := o.shownReason(); reason != "" {
		line.Str("reason", reason)
	}
}

// shownReason is the reason that a request's line has; "" if it has none.
func (o *Outcome) shownReason() string {
	if o.Refusal == nil && o.atStop() {
		return "cut-at-stop"
	}
	reason, _ := o.Reason()
	return reason
}
