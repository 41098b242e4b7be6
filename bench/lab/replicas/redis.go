//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/testbed"
)

//go:embed bucket.lua
var bucketScript string

// connections is how many requests a Redis gets at once.
const connections = 32

// redisServer is a Redis of our own, which keeps nothing.
type redisServer struct {
	bed     *testbed.Bed
	process *child.Process
	address string
	version string
	script  string // its hash
}

// startRedis starts a server. The error is exec.ErrNotFound if the program isn't there.
func startRedis(ctx context.Context) (*redisServer, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	version, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return nil, err
	}
	bed, err := testbed.Open("redis")
	if err != nil {
		return nil, err
	}
	s := &redisServer{bed: bed, version: redisVersion(string(version))}
	if err := s.start(ctx, program); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// redisVersion is the number in what --version prints: "Redis server v=7.0.15 sha=...".
func redisVersion(text string) string {
	for _, field := range strings.Fields(text) {
		if version, ok := strings.CutPrefix(field, "v="); ok {
			return version
		}
	}
	return "unknown"
}

func (s *redisServer) close() { s.bed.Close() }

func (s *redisServer) start(ctx context.Context, program string) error {
	addresses, err := child.FreeAddresses(1)
	if err != nil {
		return err
	}
	s.address = addresses[0]
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	s.process, err = s.bed.Start(child.Program{Path: program, Args: []string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no"}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return s.process.Await(ctx, func() error {
		c, err := s.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		s.script, err = c.do("SCRIPT", "LOAD", bucketScript)
		return err
	})
}

// redisConn is a connection, with one request under way at a time.
type redisConn struct {
	net.Conn
	replies *bufio.Reader
	request bytes.Buffer
}

func (s *redisServer) dial(ctx context.Context) (*redisConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	return &redisConn{Conn: conn, replies: bufio.NewReader(conn)}, nil
}

// do sends a command and returns the reply, which must not be an array.
func (c *redisConn) do(command ...string) (string, error) {
	c.request.Reset()
	fmt.Fprintf(&c.request, "*%d\r\n", len(command))
	for _, part := range command {
		fmt.Fprintf(&c.request, "$%d\r\n%s\r\n", len(part), part)
	}
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return "", err
	}
	if _, err := c.Write(c.request.Bytes()); err != nil {
		return "", err
	}
	return readReply(c.replies)
}

// readReply reads a simple string, an integer, a bulk string or an error.
func readReply(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(line, "\r\n")
	kind, rest := line[:min(1, len(line))], line[min(1, len(line)):]
	switch kind {
	case "+", ":":
		return rest, nil
	case "-":
		return "", errors.New(rest)
	case "$":
		return readBulk(r, rest)
	}
	return "", fmt.Errorf("unexpected reply %q; want a string, an integer or an error", line)
}

func readBulk(r *bufio.Reader, length string) (string, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return "", fmt.Errorf("unexpected length %q of a string", length)
	}
	text := make([]byte, n+len("\r\n"))
	if _, err := io.ReadFull(r, text); err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

// scripted is what a Redis does for takes at a rate.
type scripted struct {
	keys, takes int
	took        time.Duration // until the last reply
	cpu         time.Duration // of Redis
}

// take runs the script for random clients at a rate.
func (s *redisServer) take(ctx context.Context, clients []string, rate int, d time.Duration) (out scripted, err error) {
	out.keys = len(clients)
	due := make(chan string, rate) // A second's, so that a pause of Redis isn't one of the load.
	workers, ctx := errgroup.WithContext(ctx)
	for range connections {
		c, err := s.dial(ctx)
		if err != nil {
			return out, err
		}
		defer c.Close()
		workers.Go(func() error { return s.serve(ctx, c, due) })
	}
	before, err := usageOf(s.process.PID())
	if err != nil {
		return out, err
	}
	start, random := time.Now(), rand.New(rand.NewPCG(1, uint64(len(clients))))
	out.takes, _ = pace(ctx, float64(rate), d, func(int) {
		select {
		case due <- clients[random.IntN(len(clients))]:
		case <-ctx.Done():
		}
	})
	close(due)
	if err := workers.Wait(); err != nil {
		return out, err
	}
	out.took = time.Since(start)
	after, err := usageOf(s.process.PID())
	out.cpu = after.since(before)
	return out, err
}

// serve runs the script for each client that is due.
func (s *redisServer) serve(ctx context.Context, c *redisConn, due <-chan string) error {
	n := numbers()
	capacity, refill := strconv.FormatInt(n.Capacity, 10), strconv.FormatFloat(float64(n.Refill.Amount)/n.Refill.Per.Seconds(), 'f', -1, 64)
	for client := range due {
		reply, err := c.do("EVALSHA", s.script, "1", client, capacity, refill)
		switch {
		case err != nil:
			return fmt.Errorf("EVALSHA: %w", err)
		case reply != "1":
			return fmt.Errorf("client %q was refused", client)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
	return nil
}
