//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// Honest streams that are slow or idle must pass to their end, whatever malicious slow clients do
// meanwhile.

// pace calls f that often, with a pause after each call, until ctx ends or f fails.
func pace(ctx context.Context, times int, pause time.Duration, f func() error) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range times {
		if err := f(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// steadyRate is the rate of a steady upload, in bytes a second.
const steadyRate = 2 << 10

// steadyUpload sends a body at the rate, every other one in chunks.
func steadyUpload(ctx context.Context, c *client) error {
	const pause = 250 * time.Millisecond
	pieces := int(c.lasts / pause)
	piece := make([]byte, steadyRate*pause/time.Second)
	body, sending := io.Pipe()
	defer body.Close()
	go func() {
		sending.CloseWithError(pace(ctx, pieces, pause, func() error {
			_, err := sending.Write(piece)
			return err
		}))
	}()
	size := pieces * len(piece)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/count", body)
	if err != nil {
		return err
	}
	req.Header.Set(keyHeader, c.id())
	if c.n%2 == 0 {
		req.ContentLength = int64(size)
	}
	response, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return has([]byte(fmt.Sprint(size)))(response)
}

// heartbeats reads an event stream.
func heartbeats(ctx context.Context, c *client) error {
	path := "/events?" + (c.lasts / heartbeatCount).String()
	return c.do(ctx, http.MethodGet, path, c.id(), nil, has([]byte(strings.Repeat(heartbeat, heartbeatCount))))
}

// idleUpgrade sends a line, and another one long after it.
func idleUpgrade(ctx context.Context, c *client) error {
	conn, lines, err := c.upgrade(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return pace(ctx, 2, c.lasts/2, func() error { return say(conn, lines, "still there\n") })
}

// duplex sends a piece of a body when the one before it has come back.
func duplex(ctx context.Context, c *client) error {
	const pieces = 15
	body, sending := io.Pipe()
	defer sending.Close()
	return c.do(ctx, http.MethodPost, "/echo", c.id(), body, func(response *http.Response) error {
		lines := bufio.NewReader(response.Body)
		return pace(ctx, pieces, c.lasts/pieces, func() error {
			if _, err := io.WriteString(sending, "piece\n"); err != nil {
				return err
			}
			line, err := lines.ReadString('\n')
			if err == nil && line != "piece\n" {
				err = fmt.Errorf("%q came back", line)
			}
			return err
		})
	})
}

// slowAddress is the address of malicious slow clients.
const slowAddress = "127.0.0.2"

// tooLong is when the connection of such a client must have been broken off: after the grace, and
// as long again for what it did before it became slow.
const tooLong = 2 * time.Minute

// slowly calls f again and again, until the proxy has broken the connection off, or for as long as
// the load lasts.
func (c *client) slowly(ctx context.Context, head string, every time.Duration, something func(net.Conn) error) error {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(slowAddress)}, Control: func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2<<10) })
	}}
	conn, err := d.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, head); err != nil {
		return err
	}
	err = pace(ctx, max(1, int(c.lasts/every)), min(every, c.lasts), func() error {
		return errors.Join(something(conn), brokenOff(conn))
	})
	if err == nil && c.lasts > tooLong {
		return fmt.Errorf("it was not broken off in %v", c.lasts)
	}
	return nil
}

// brokenOff is the reset that a connection got; nil if it got none. A Read tells of it only behind
// all that came before, which takes a reader of some bytes a minute longer than it lasts.
func brokenOff(conn net.Conn) error {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var errno int
	failed := raw.Control(func(fd uintptr) {
		errno, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	})
	if errno != 0 {
		return syscall.Errno(errno)
	}
	return errors.Join(failed, err)
}

// slowSender sends a byte of a chunked body now and then.
func slowSender(ctx context.Context, c *client) error {
	head := c.head("POST /count", "Transfer-Encoding: chunked\r\n\r\n")
	return c.slowly(ctx, head, 25*time.Second, func(conn net.Conn) error {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.Join(err, io.EOF) // It got a response.
		}
		_, err := io.WriteString(conn, "1\r\nx\r\n")
		return err
	})
}

// sipper reads some bytes now and then.
func sipper(ctx context.Context, c *client) error {
	return c.slowly(ctx, c.head("GET /endless", "\r\n"), 5*time.Second, func(conn net.Conn) error {
		_, err := conn.Read(make([]byte, 32))
		return err
	})
}
