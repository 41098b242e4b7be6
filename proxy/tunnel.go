package proxy

import (
	"slices"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

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
	r.out = append(r.appendResponseHead(r.out[:0]), early...)
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
