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
	"time"
)

// keyHeader is how the proxy tells clients apart.
const keyHeader = "X-Client"

// dial opens a connection for raw bytes.
func (c *client) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, err
	}
	end, _ := ctx.Deadline()
	return conn, conn.SetDeadline(end)
}

func (c *client) head(line, more string) string {
	return line + " HTTP/1.1\r\nHost: " + c.address + "\r\n" + keyHeader + ": " + c.id() + "\r\n" + more
}

// abort sends a part of a request, or all of it, reads a little if there is a response, and closes
// the connection, every other time with a reset.
func abort(ctx context.Context, c *client) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.rng.IntN(2) == 0 {
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
			return err
		}
	}
	switch c.rng.IntN(4) {
	case 0:
		_, err = io.WriteString(conn, c.head("GET /small", "")) // without its end
	case 1:
		_, err = io.WriteString(conn, c.head("POST /echo", "Content-Length: 100000\r\n\r\nsome of it"))
	case 2:
		_, err = io.WriteString(conn, c.head("GET /slow", "\r\n")) // and doesn't wait
	case 3:
		if _, err = io.WriteString(conn, c.head("GET /large", "\r\n")); err == nil {
			_, err = io.CopyN(io.Discard, conn, 10_000)
		}
	}
	return err
}

// upgraded switches protocols and gets some lines back. Then the client ends the connection, or
// lets the backend end it.
func upgraded(ctx context.Context, c *client) error {
	conn, lines, err := c.upgrade(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return c.talk(conn, lines)
}

// upgrade opens a connection that speaks the protocol.
func (c *client) upgrade(ctx context.Context) (net.Conn, *bufio.Reader, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	lines := bufio.NewReader(conn)
	if err := c.switches(conn, lines); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, lines, nil
}

// switches asks for the protocol on a connection, and gets it.
func (c *client) switches(conn net.Conn, lines *bufio.Reader) error {
	if _, err := io.WriteString(conn, c.head("GET /upgrade", "Connection: Upgrade\r\nUpgrade: "+protocol+"\r\n\r\n")); err != nil {
		return err
	}
	response, err := http.ReadResponse(lines, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Upgrade") != protocol {
		return fmt.Errorf("upgrades are not relayed: answered with %s; want 101 and Upgrade: %s", response.Status, protocol)
	}
	return nil
}

// talk sends some lines, with pauses.
func (c *client) talk(conn net.Conn, lines *bufio.Reader) error {
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for n := range 5 {
		<-pause.C
		if err := say(conn, lines, fmt.Sprintf("line %d of client %d\n", n, c.n)); err != nil {
			return err
		}
	}
	if c.rng.IntN(2) == 0 {
		return nil // the client ends it
	}
	if err := say(conn, lines, "bye\n"); err != nil {
		return err
	}
	if more, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the backend's end came %q, %v; want %w", more, err, io.EOF)
	}
	return nil
}

// say sends a line and expects it back.
func say(conn net.Conn, lines *bufio.Reader, line string) error {
	if _, err := io.WriteString(conn, line); err != nil {
		return err
	}
	got, err := lines.ReadString('\n')
	if err == nil && got != line {
		err = fmt.Errorf("%q came back; want %q", got, line)
	}
	return err
}
