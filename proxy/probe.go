package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"gopher-equalizer/proxy/h1"
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
	var x h1.Exchange
	x.Init()
	x.Begin(conn, c.maxHeader)
	defer x.Forget()
	if err := ask(&x, path, host); err != nil {
		return 0, explain(ctx, &x, err)
	}
	status = x.Response.Status
	return status, discard(&x, maxProbeBody)
}

// ask sends a probe's request, and reads the head of the response.
func ask(x *h1.Exchange, path, host string) error {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n"+
		"User-Agent: gopher-equalizer health check\r\nConnection: close\r\n\r\n", path, host)
	if err := x.Ask(request); err != nil {
		return err
	}
	for {
		if err := x.ReadHead(); err != nil {
			return err
		}
		switch a := &x.Response; {
		case a.Status == http1.StatusSwitching:
			if why := a.CheckSwitch(new(http1.Request), false); why != nil {
				return why
			}
			return nil
		case !a.Interim():
			return nil
		}
	}
}

// discard reads the response's body, up to a limit. The head has said all that counts, so a body
// that ends early or late is no error; one that is malformed is.
func discard(x *h1.Exchange, limit int) error {
	x.BeginBody(false)
	data, err := x.TakeBody()
	var buf [4 << 10]byte
	for read := len(data); err == nil && !x.Complete() && read < limit; {
		var n int
		n, err = x.ReadBody(buf[:])
		read += n
	}
	var malformed *http1.Refusal
	if errors.As(err, &malformed) {
		return malformed
	}
	return nil
}

var errNoResponse = errors.New("no response")

// explain says in words for operators why there is no response. They see the backend's name beside
// them, so the addresses that package net writes are left out.
func explain(ctx context.Context, x *h1.Exchange, err error) error {
	var op *net.OpError
	var why *http1.Refusal
	switch {
	case ctx.Err() != nil:
		return errNoResponse
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before the response's header ended")
	case errors.As(err, &why) && why.Reason == h1.NotAResponse:
		start := x.Unread()
		return fmt.Errorf("%w: it starts with %q", err, start[:min(len(start), 32)])
	case errors.As(err, &op) && op.Net != "": // Without a network it is what the backend said by TLS.
		return op.Err
	}
	return err
}
