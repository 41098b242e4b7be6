package outcome

import (
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// write writes the request's line of the access log: what it was, how it ended, and why. Nothing
// in it is secret: no header's value but Host and X-Request-ID, and the client_id as it is stored,
// a hash if the key is secret.
func (o *Outcome) write(log zerolog.Logger) {
	line := log.Info()
	// A client past its share writes as many lines as it likes. An error's is written at once, and
	// so would cost more than the request.
	if o.Failure.ours() && o.Failure != ClientShare {
		line = log.Error()
	}
	if line == nil {
		return
	}
	line.Dict("request", o.describe(line.CreateDict())).
		Int("status", o.Status).
		Int64("size", o.Size)
	if !o.Began.IsZero() {
		line.Float64("duration", time.Since(o.Began).Seconds())
	}
	o.Sent.write(line, o.Cause)
	if o.Route != "" {
		line.Str("route", o.Route)
	}
	o.writeLimits(line)
	if len(o.From.RequestID) > 0 {
		line.Bytes("request_id", o.From.RequestID)
	}
	o.writeReason(line)
	if o.Cause != nil && !o.atStop() {
		line.AnErr("error", o.Cause)
	}
	line.Msg("request")
}

// describe adds what came in; of a request line that could not be read, only who sent it.
func (o *Outcome) describe(dict *zerolog.Event) *zerolog.Event {
	if h := o.Head; h != nil && h.Version != nil {
		dict.Bytes("method", h.Method).
			Bytes("host", http1.WithoutUserinfo(h.Host)).
			Bytes("uri", http1.WithoutUserinfo(h.Target)).
			Bytes("proto", h.Version)
	}
	var buf [64]byte
	return dict.Bytes("client_ip", identity.AppendAddr(buf[:0], o.From.Addr)).
		Bytes("remote_ip", identity.AppendAddr(buf[:0], o.From.Peer))
}

// write adds where the request went, and the reason why the last attempt failed.
func (f *Forwarding) write(line *zerolog.Event, cause error) {
	if f.Backend == nil {
		return
	}
	line.Str("backend", f.Backend.URL()).Int("retries", len(f.Before))
	if f.Waited > 0 {
		line.Float64("backend_duration", f.Waited.Seconds())
	}
	if len(f.Before) > 0 {
		line.Array("attempts", f.attempts(line.CreateArray(), cause))
	}
}

// attempts names the backends that were tried in turn, each with the reason why that was not
// enough.
func (f *Forwarding) attempts(all *zerolog.Array, cause error) *zerolog.Array {
	for _, a := range append(f.Before, Attempt{f.Backend, cause}) {
		one := zerolog.Dict().Str("backend", a.Backend.URL())
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

// writeReason adds why the request failed or was refused, and where in its head the fault is: the
// field's name, never a value.
func (o *Outcome) writeReason(line *zerolog.Event) {
	switch why := o.Refusal; {
	case why != nil:
		line.Str("refused", why.Message()).Str("reason", why.Reason).Int("offset", why.Offset)
		if why.Field != "" {
			line.Str("field", why.Field)
		}
	case o.atStop():
		line.Str("reason", "cut-at-stop")
	case o.Failure != nil && o.Failure.Reason != "":
		line.Str("reason", o.Failure.Reason)
	}
}
