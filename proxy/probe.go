package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"gopher-equalizer/proxy/http1"
)

// maxProbeBody is how much of a probe's response is read, in bytes. To close on unread bytes would
// reset the connection under a backend that still writes, an error in its log for every probe.
const maxProbeBody = 1 << 20

// Connect is balancer.Prober's.
func (c *connections) Connect(ctx context.Context) error {
	conn, err := c.dialer.Dial(ctx, c.target)
	if err != nil {
		return err
	}
	// There is nothing that a failed close could say of the backend.
	_ = conn.Close()
	return nil
}

// Get is balancer.Prober's. It uses a connection of its own, and the dialer, the reader and the
// bounds of requests, so what would be 502 to a client is an error here.
func (c *connections) Get(ctx context.Context, path, host string) (status int, err error) {
	conn, err := c.dialer.Dial(ctx, c.target)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, conn.Interrupt)()

	conn.Begin(nil)
	x := &exchange{conn: conn}
	x.init(c.maxHeader, &c.lender)
	defer x.in.release()
	x.out = fmt.Appendf(x.out, "GET %s HTTP/1.1\r\nHost: %s\r\n"+
		"User-Agent: gopher-equalizer health check\r\nConnection: close\r\n\r\n", path, host)
	if err := x.askAlone(); err != nil {
		return 0, x.explain(ctx, err)
	}
	if err := x.discard(maxProbeBody, c.maxHeader); err != nil {
		return 0, err
	}
	return x.answer.Status, nil
}

// askAlone sends what is in out, and reads the head of the response, for nobody.
func (x *exchange) askAlone() error {
	if err := x.ask(); err != nil {
		return noEOF(err)
	}
	for range maxInterim {
		if err := x.readHead(); err != nil {
			return err
		}
		if x.answer.Status == http1.StatusSwitching {
			return x.answer.CheckSwitch(new(http1.Request), false)
		}
		if !x.answer.Interim() {
			x.conn.Relay()
			return nil
		}
	}
	return errInterim(x.head)
}

// discard reads the response's body, up to a limit. The head has said all that counts, so a body
// that ends early or late is no error; one that is malformed is. maxTrailers bounds its trailers.
func (x *exchange) discard(limit, maxTrailers int) error {
	size := x.answer.Size
	if !x.answer.HasBody(false) {
		size = http1.SizeNone
	}
	var body http1.Body
	body.BeginResponse(size, maxTrailers)
	data := x.in.rest()
	for read := 0; ; {
		if _, _, err := body.Decode(data); err != nil {
			return err
		}
		if read += len(data); body.Complete() || read >= limit {
			return nil
		}
		x.in.reset()
		n, err := x.conn.Read(x.in.room())
		if n == 0 && err != nil {
			return nil
		}
		data = x.in.room()[:n]
	}
}

var errNoResponse = errors.New("no response")

// explain says in words for operators why there is no response. They see the backend's name beside
// them, so the addresses that package net writes are left out.
func (x *exchange) explain(ctx context.Context, err error) error {
	var op *net.OpError
	var why *http1.Refusal
	switch {
	case ctx.Err() != nil:
		return errNoResponse
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before the response's header ended")
	case errors.As(err, &why) && why.Reason == notAResponse:
		start := x.in.rest()
		return fmt.Errorf("%w: it starts with %q", err, start[:min(len(start), 32)])
	case errors.As(err, &op) && op.Net != "": // Without a network it is what the backend said by TLS.
		return op.Err
	}
	return err
}
