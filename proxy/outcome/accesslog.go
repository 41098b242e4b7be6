package outcome

import (
	"strings"
	"time"

	"gopher-equalizer/proxy/http1"
)

// appendJSON appends the request's line: what it was, how it ended, and why. It has no header's
// value but Host, X-Request-ID and those that are asked for, and the client_id as it is stored, a
// hash if the key is secret. It stands for one in so many requests; 0 and 1 are all.
//
// It has the form of zerolog's lines. zerolog would take it in pieces and look at each byte again.
func (l *Log) appendJSON(dst []byte, o *Outcome, oneIn uint32) []byte {
	dst = append(dst, `{"level":"`...)
	dst = append(dst, o.level().String()...)
	dst = append(dst, `","request":{`...)
	dst = l.appendRequest(dst, o)
	dst = l.appendMembers(append(dst, '}'), o, oneIn)
	if l.Stamp != nil {
		dst = l.Stamp(append(dst, `,"ts":`...), time.Now())
	}
	return append(dst, `,"msg":"request"}`+"\n"...)
}

// appendMembers appends the members behind the request's own.
func (l *Log) appendMembers(dst []byte, o *Outcome, oneIn uint32) []byte {
	dst = appendNumber(dst, `,"status":`, int64(o.Status))
	dst = appendNumber(dst, `,"size":`, o.Size)
	dst = appendDuration(dst, `,"duration":`, o.Times.Total())
	dst = appendDuration(dst, `,"queue_duration":`, o.Times.Of(QueuePart))
	dst = o.Sent.append(dst, o.Cause)
	if o.Route != "" {
		dst = appendText(dst, `,"route":`, o.Route)
	}
	dst = o.appendLimits(dst)
	if len(o.From.RequestID) > 0 {
		dst = appendText(dst, `,"request_id":`, http1.Text(o.From.RequestID))
	}
	if trace := o.From.Trace; len(trace) > 0 {
		dst = appendText(dst, `,"trace_id":`, http1.Text(trace.ID()))
		dst = appendText(dst, `,"span_id":`, http1.Text(trace.Parent()))
	}
	dst = o.appendReason(dst)
	if !o.atStop() {
		dst = appendError(dst, `,"error":`, o.cause())
	}
	if oneIn > 1 {
		dst = appendNumber(dst, `,"sample":`, int64(oneIn))
	}
	return dst
}

// appendRequest appends what came in; of a request line that could not be read, only who sent it.
func (l *Log) appendRequest(dst []byte, o *Outcome) []byte {
	if h := o.Head; h != nil && h.Version != nil {
		dst = appendText(dst, `"method":`, http1.Text(h.Method))
		dst = appendText(dst, `,"host":`, http1.Text(http1.WithoutUserinfo(h.Host)))
		dst = l.appendURI(dst, h)
		dst = appendText(dst, `,"proto":`, http1.Text(h.Version))
		if len(l.Headers) > 0 {
			dst = l.appendHeaders(append(dst, `,"headers":{`...), h)
			dst = append(dst, '}')
		}
		dst = append(dst, ',')
	}
	client := len(dst) + len(`"client_ip":`)
	dst = appendAddr(dst, `"client_ip":`, o.From.Addr)
	if o.From.Peer == o.From.Addr {
		behind := len(dst)
		dst = append(dst, `,"remote_ip":`...)
		return append(dst, dst[client:behind]...)
	}
	return appendAddr(dst, `,"remote_ip":`, o.From.Peer)
}

// appendURI appends the target, masked. It is put where it is to stand, as most are plain.
func (l *Log) appendURI(dst []byte, h *http1.Request) []byte {
	const name = `,"uri":`
	from := len(dst)
	dst = append(append(dst, name...), '"')
	dst = append(l.target(dst, h), '"')
	behind := len(dst)
	target := http1.Text(dst[from+len(name)+1 : behind-1])
	if isPlain(target) {
		return dst
	}
	dst = appendText(dst, name, target)
	return append(dst[:from], dst[behind:]...)
}

// appendHeaders appends the fields that are asked for, as far as the request has them: an array of
// values for each, as Caddy writes them.
func (l *Log) appendHeaders(dst []byte, h *http1.Request) []byte {
	some := false
	for _, name := range l.Headers {
		found := false
		for _, f := range h.Fields {
			if !strings.EqualFold(http1.Text(f.Name), name) {
				continue
			}
			var buf [512]byte
			value := http1.Text(l.header(buf[:0], f))
			switch {
			case found:
				dst = appendText(dst, ",", value)
				continue
			case some:
				dst = append(dst, ',')
			}
			dst = appendText(appendText(dst, "", name), ":[", value)
			found, some = true, true
		}
		if found {
			dst = append(dst, ']')
		}
	}
	return dst
}

// append appends where the request went, and the reason why the last attempt failed.
func (f *Forwarding) append(dst []byte, cause error) []byte {
	if f.Backend == nil {
		return dst
	}
	dst = appendText(dst, `,"backend":`, f.Backend.Name())
	dst = appendNumber(dst, `,"retries":`, int64(len(f.Before)))
	dst = appendDuration(dst, `,"backend_duration":`, f.Waited)
	dst = appendError(dst, `,"no_retry":`, f.NoRetry)
	if len(f.Before) > 0 {
		dst = f.appendAttempts(dst, cause)
	}
	return dst
}

// appendAttempts names the backends that were tried in turn, each with the reason why that was not
// enough.
func (f *Forwarding) appendAttempts(dst []byte, cause error) []byte {
	open := `,"attempts":[{"backend":`
	for _, a := range append(f.Before, Attempt{f.Backend, cause}) {
		dst = appendText(dst, open, a.Backend.Name())
		dst = append(appendError(dst, `,"reason":`, a.Cause), '}')
		open = `,{"backend":`
	}
	return append(dst, ']')
}

// appendLimits appends the limit that counted the request, or an array of several.
func (o *Outcome) appendLimits(dst []byte) []byte {
	switch len(o.Limits) {
	case 0:
		return dst
	case 1:
		return o.Limits[0].append(append(dst, ','))
	}
	open := `,"limits":[{`
	for i := range o.Limits {
		dst = append(o.Limits[i].append(append(dst, open...)), '}')
		open = ",{"
	}
	return append(dst, ']')
}

// append appends a limit, whether it would let the request pass, and whom it counts.
func (l *Limit) append(dst []byte) []byte {
	dst = appendText(dst, `"limit":`, l.Name)
	if l.Allowed {
		dst = append(dst, `,"limit_result":"allowed"`...)
	} else {
		dst = append(dst, `,"limit_result":"limited"`...)
	}
	return appendText(dst, `,"client_id":`, l.Text())
}

// cause is what is logged in words: a refusal's are its own.
func (o *Outcome) cause() error {
	if o.Cause == nil && o.Refusal != nil {
		return o.Refusal
	}
	return o.Cause
}

// appendReason appends why the request failed or was refused, and where in its head the fault is:
// the field's name, never a value.
func (o *Outcome) appendReason(dst []byte) []byte {
	if why := o.Refusal; why != nil {
		dst = appendText(dst, `,"refused":`, why.Message())
		dst = appendText(dst, `,"reason":`, why.Reason)
		dst = appendNumber(dst, `,"offset":`, int64(why.Offset))
		if why.Field != "" {
			dst = appendText(dst, `,"field":`, why.Field)
		}
		return dst
	}
	if reason := o.shownReason(); reason != "" {
		dst = appendText(dst, `,"reason":`, reason)
	}
	return dst
}

// shownReason is the reason that a request's line has; "" if it has none.
func (o *Outcome) shownReason() string {
	if o.Refusal == nil && o.atStop() {
		return "cut-at-stop"
	}
	reason, _ := o.Reason()
	return reason
}
