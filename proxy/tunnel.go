package proxy

import (
	"bytes"
	"slices"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

// wantsUpgrade says whether a request's Upgrade goes on to the backend, all lines of it or none. HTTP/2 by way of an upgrade doesn't:
// what came in it would be requests that nobody checked and counted.
func wantsUpgrade(h *http1.Request) (wants bool) {
	if h.Upgrade == nil {
		return false // Most requests.
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; http1.Is(f.Name, "upgrade") {
			protocols, http2 := upgradesTo(f.Value)
			if http2 {
				return false
			}
			wants = wants || protocols
		}
	}
	return wants
}

// upgradesTo says whether a list names protocols, and whether HTTP/2 is one of them, with or without a version.
func upgradesTo(list []byte) (protocols, http2 bool) {
	for len(list) > 0 {
		var protocol []byte
		protocol, list = http1.NextElement(list)
		name, _, _ := bytes.Cut(protocol, []byte("/"))
		http2 = http2 || http1.Is(name, "h2c") || http1.Is(name, "h2")
		protocols = protocols || len(protocol) > 0
	}
	return protocols, http2
}

// tunnel passes the backend's 101 on, and then bytes both ways, until one side has ended or nothing
// came for TunnelTimeout. Neither connection is used for anything else after that.
func (r *request) tunnel() {
	r.last = true
	if r.upload.stop(r); !r.upload.complete() {
		r.endExchange(broke)
		r.fail(backendBad, earlySwitch(r.exchange.head))
		return
	}
	if err := r.openTunnel(); err != nil {
		r.leftBehind(err)
		return
	}
	r.lighten()
	r.session.Lasts()
	down, err := netconn.Tunnel(r.session.Client, r.exchange.conn, r.proxy.settings.TunnelTimeout, &r.proxy.buffers)
	r.size += down
	r.cause = err
	r.exchange.close(dropped)
}

// earlySwitch refuses a 101 of a backend that doesn't have all of the request yet.
func earlySwitch(head []byte) *http1.Refusal {
	const detail = "the response switches protocols before the request has ended"
	return refuseResponse("switch-early", detail, head, len("HTTP/1.1 "))
}

// openTunnel sends the 101, and what came on either side behind the heads.
func (r *request) openTunnel() error {
	x := &r.exchange
	early := x.in.rest()
	r.reserve(len(x.head) + len(early))
	r.out = append(r.appendAnswerHead(r.out[:0]), early...)
	r.size = int64(len(early))
	if err := r.write(r.out); err != nil {
		return err
	}
	r.proxy.counters.informational.Add(1)
	if r.in.size() == 0 {
		return nil
	}
	_, err := x.conn.Write(r.in.bytes())
	r.in.clear()
	return err
}

// lighten gives up all large buffers: a tunnel may be open for days. What will be logged is copied.
func (r *request) lighten() {
	r.raw = slices.Clone(r.raw)
	_ = r.header.Parse(r.raw)
	r.resetMemory()
	r.in.buf, r.exchange.in = nil, responseReader{}
}
