//go:build linux

package load

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Idle are connections that got one response each, and are kept open.
type Idle []net.Conn

// OpenIdle opens n connections to a target, one after the other. If one of them fails, all are
// closed.
func OpenIdle(ctx context.Context, target string, n int) (Idle, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var idle Idle
	for i := range n {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
		if err == nil {
			idle = append(idle, conn)
			err = askOnce(ctx, conn, target)
		}
		if err != nil {
			idle.Close()
			return nil, fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
	}
	return idle, nil
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
