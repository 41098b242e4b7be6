package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/netconn"
)

// maxProbeBody is how much of a probe's response is read, in bytes. To close on unread bytes would
// reset the connection under a backend that still writes, an error in its log for every probe.
const maxProbeBody = 1 << 20

// Connect is balancer.Prober's.
func (c *hostClient) Connect(ctx context.Context, port int) error {
	conn, err := c.dialer.Dial(ctx, c.probed(port))
	if err != nil {
		return err
	}
	// There is nothing that a failed close could say of the backend.
	_ = conn.Close()
	return nil
}

// probed is what a probe connects to: the backend, or another port there if that is above 0.
func (c *hostClient) probed(port int) netconn.Target {
	t := c.target
	if host, _, err := net.SplitHostPort(t.Addr); port > 0 && err == nil {
		t.Addr = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return t
}

// Ask is balancer.Prober's. It uses a connection of its own, and the dialer, the reader and the
// bounds of requests, so what would be 502 to a client is an error here.
func (c *hostClient) Ask(ctx context.Context, r balancer.ProbeRequest) (found balancer.ProbeResponse, err error) {
	conn, err := c.dialer.Dial(ctx, c.probed(r.Port))
	if err != nil {
		return found, err
	}
	defer func() { _ = conn.Close() }()
	conn.Begin(nil) // It ends an Interrupt, so it comes before the first one.
	defer context.AfterFunc(ctx, conn.Interrupt)()

	var x h1.Exchange
	x.Init()
	x.Begin(conn, int(c.maxHeader.Load()))
	defer x.Forget()
	if err := x.Ask(probeHead(r)); err != nil {
		return found, explain(ctx, &x, err)
	}
	found.Status = x.Response.Status
	for _, field := range x.Response.Fields {
		if found.Field == "" && r.Field != "" && strings.EqualFold(string(field.Name), r.Field) {
			found.Field = string(field.Value)
		}
	}
	found.Body, err = x.Drain(r.Method == "HEAD", r.Body, maxProbeBody)
	return found, err
}

// probeHead is the head of a probe, whose connection isn't used again.
func probeHead(r balancer.ProbeRequest) []byte {
	head := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.Path, r.Host)
	agent := "User-Agent: gopher-equalizer health check\r\n"
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, "User-Agent") {
			agent = ""
		}
		head = fmt.Appendf(head, "%s: %s\r\n", f.Name, f.Value)
	}
	return append(head, agent+"Connection: close\r\n\r\n"...)
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
