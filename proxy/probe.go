package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"gopher-equalizer/proxy/h1"
)

// maxProbeBody is how much of a probe's response is read, in bytes. To close on unread bytes would
// reset the connection under a backend that still writes, an error in its log for every probe.
const maxProbeBody = 1 << 20

// Connect is balancer.Prober's.
func (c *hostClient) Connect(ctx context.Context) error {
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
func (c *hostClient) Get(ctx context.Context, path, host string) (status int, err error) {
	conn, err := c.dialer.Dial(ctx, c.target)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	conn.Begin(nil) // It ends an Interrupt, so it comes before the first one.
	defer context.AfterFunc(ctx, conn.Interrupt)()

	var x h1.Exchange
	x.Init()
	x.Begin(conn, c.maxHeader)
	defer x.Forget()
	if err := x.Get(path, host, "gopher-equalizer health check"); err != nil {
		return 0, explain(ctx, &x, err)
	}
	status = x.Response.Status
	if err := x.Discard(maxProbeBody); err != nil {
		return 0, err
	}
	return status, nil
}

var errNoResponse = errors.New("no response")

// explain says in words for operators why there is no response. They see the backend's name beside
// them, so the addresses that package net writes are left out.
func explain(ctx context.Context, x *h1.Exchange, err error) error {
	var op *net.OpError
	switch {
	case ctx.Err() != nil:
		return errNoResponse
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before the response's header ended")
	case h1.IsNoResponse(err):
		start := x.Unread()
		return fmt.Errorf("%w: it starts with %q", err, start[:min(len(start), 32)])
	case errors.As(err, &op) && op.Net != "": // Without a network it is what the backend said by TLS.
		return op.Err
	}
	return err
}
