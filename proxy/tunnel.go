package proxy

import (
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// tunnel passes the backend's 101 on, and then bytes both ways, until one side has ended or nothing
// came for TunnelTimeout. Neither connection is used for anything else after that.
func (r *request) tunnel() error {
	x := &r.exchange
	if r.upload.stop(); !r.upload.complete() {
		const detail = "the response switches protocols before the request has ended"
		return outcome.BackendBad.Because(x.Refuse("switch-early", detail, len("HTTP/1.1 ")))
	}
	if err := r.openTunnel(); err != nil {
		return r.leftBehind(err)
	}
	r.stream.Lighten() // It may be open for days.
	x.Lighten()
	r.stream.Lasts()
	x.Conn.End() // A client that has sent its last byte is still there.
	down, err := netconn.Tunnel(&r.stream.Link().Conn, &x.Conn.Conn, r.route.TunnelTimeout, &r.buffers)
	r.stream.Passed(down)
	r.result.Cause = err
	x.close(dropped)
	return nil
}

// openTunnel sends the 101, and what came on either side behind the heads.
func (r *request) openTunnel() error {
	r.beginResponse()
	if err := r.stream.Respond(&r.response, r.exchange.Unread(), false, nil); err != nil {
		return err
	}
	r.record.Informed()
	if behind := r.stream.Behind(); len(behind) > 0 {
		_, err := r.exchange.Conn.Write(behind)
		return err
	}
	return nil
}
