//go:build linux

package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/http2"

	"gopher-equalizer/bench/lab/h2/raw"
)

// Wire is what an idle connection speaks.
type Wire string

// The kinds of Wire.
const (
	Clear  Wire = "in clear" // HTTP/1
	Secure Wire = "TLS"      // HTTP/1 by TLS 1.3
	HTTP2  Wire = "HTTP/2"   // by TLS 1.3
)

// Idle are connections that got one response each, and are kept open.
type Idle []io.Closer

// OpenIdle opens n connections to a target, one after the other. If one of them fails, all are
// closed.
func OpenIdle(ctx context.Context, target string, wire Wire, n int) (Idle, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	open := openHTTP1
	if wire == HTTP2 {
		open = openHTTP2
	}
	var idle Idle
	for i := range n {
		conn, err := open(ctx, target, wire)
		if err != nil {
			idle.Close()
			return nil, fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
		idle = append(idle, conn)
	}
	return idle, nil
}

func openHTTP1(ctx context.Context, target string, wire Wire) (io.Closer, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, err
	}
	if wire == Secure {
		conn = tls.Client(conn, fullHandshake)
	}
	if err := askOnce(ctx, conn, target); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// openHTTP2 reads frames only until the response has come, so the connection takes memory of the
// target's alone afterwards.
func openHTTP2(ctx context.Context, target string, _ Wire) (io.Closer, error) {
	to := raw.Target{Address: target, TLS: fullHandshake.Clone()}
	to.TLS.NextProtos = []string{http2.NextProtoTLS}
	conn, err := raw.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	if err := streamOnce(ctx, conn, target); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// streamOnce is askOnce by HTTP/2.
func streamOnce(ctx context.Context, conn *raw.Conn, target string) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	stream, err := conn.Open(true, raw.Fields(http.MethodGet, "https", target, "/"+string(Small))...)
	if err != nil {
		return err
	}
	response, err := conn.Await(stream)
	if err == nil && response.Status != http.StatusOK {
		err = fmt.Errorf("status %d; want 200", response.Status)
	}
	return err
}

func askOnce(ctx context.Context, conn net.Conn, target string) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", Small, target); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Close {
		return fmt.Errorf("status %d, closing: %t; want 200, kept open", response.StatusCode, response.Close)
	}
	return nil
}

// Close closes them all.
func (i Idle) Close() {
	for _, conn := range i {
		_ = conn.Close()
	}
}
