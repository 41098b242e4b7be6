package proxy

import (
	"github.com/rs/zerolog"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// log writes the request's line of the access log: what it was, how it ended, and why. Nothing
// in it is secret: no header's value but Host and X-Request-ID, and the client_id as it is stored,
// a hash if the key is secret.
func (r *request) log(status int) {
	line := r.proxy.log.Info()
	// A client past its share writes as many lines as it likes. An error's is written at once, and
	// so would cost more than the request.
	if r.failure.ours() && r.failure != clientShare {
		line = r.proxy.log.Error()
	}
	if line == nil {
		return
	}
	line.Dict("request", r.describe(line.CreateDict())).
		Int("status", status).
		Int64("size", r.size)
	if d := r.since(r.started); d > 0 {
		line.Float64("duration", d.Seconds())
	}
	r.logBackend(line)
	r.logLimit(line)
	if len(r.head.RequestID) > 0 {
		line.Bytes("request_id", r.head.RequestID)
	}
	r.logReason(line)
	if r.cause != nil && !r.cutAtStop() {
		line.AnErr("error", r.cause)
	}
	line.Msg("request")
}

// cutAtStop reports whether what looks like a client that left, or like the end of a tunnel, is a
// connection that we cut.
func (r *request) cutAtStop() bool {
	return (r.failure == clientGone || r.status == http1.StatusSwitching) && r.session.WasCut()
}

// describe says what came in; of a header that could not be read, only who sent it.
func (r *request) describe(dict *zerolog.Event) *zerolog.Event {
	if h := &r.header; !r.unread {
		dict.Bytes("method", h.Method).
			Bytes("host", http1.WithoutUserinfo(h.Host)).
			Bytes("uri", http1.WithoutUserinfo(h.Target)).
			Bytes("proto", h.Version)
	}
	var buf [64]byte
	return dict.Bytes("client_ip", identity.AppendAddr(buf[:0], r.head.Client)).
		Bytes("remote_ip", identity.AppendAddr(buf[:0], r.head.Peer))
}

// logBackend says where the request went. backend_duration is from the start of the last attempt to
// the answer's header.
func (r *request) logBackend(line *zerolog.Event) {
	if r.backend == nil {
		return
	}
	line.Str("backend", r.backend.URL()).Int("retries", r.retries)
	if r.waited > 0 {
		line.Float64("backend_duration", r.waited.Seconds())
	}
	if len(r.tried) > 0 {
		line.Array("attempts", r.logAttempts(line.CreateArray()))
	}
}

// logAttempts names the backends that were tried in turn, each with the reason why that was not
// enough.
func (r *request) logAttempts(all *zerolog.Array) *zerolog.Array {
	for _, a := range append(r.tried, pastAttempt{r.backend, r.cause}) {
		one := zerolog.Dict().Str("backend", a.backend.URL())
		if a.cause != nil {
			one.Str("reason", a.cause.Error())
		}
		all.Dict(one)
	}
	return all
}

func (r *request) logLimit(line *zerolog.Event) {
	if len(r.clientID) == 0 {
		return
	}
	result := "limited"
	if r.decision.Allowed {
		result = "allowed"
	}
	line.Str("limit", r.proxy.settings.Limit).Str("limit_result", result).Bytes("client_id", r.clientID)
}

// logReason says why the request failed or was refused, and where in its head the fault is: the
// field's name, never a value.
func (r *request) logReason(line *zerolog.Event) {
	switch why := r.refusedBy(); {
	case why != nil:
		line.Str("refused", why.Message()).Str("reason", why.Reason).Int("offset", why.Offset)
		if why.Field != "" {
			line.Str("field", why.Field)
		}
	case r.cutAtStop():
		line.Str("reason", "cut-at-stop")
	case r.failure != nil:
		line.Str("reason", r.failure.reason)
	}
}
