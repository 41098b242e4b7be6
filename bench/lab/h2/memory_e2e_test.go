//go:build linux && e2e

package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"gopher-equalizer/bench/lab/h2/raw"
	"gopher-equalizer/bench/lab/testbed"
)

// cheap is a target whose handshakes cost little, where they don't matter.
func cheap(to raw.Target) raw.Target {
	to.TLS = to.TLS.Clone()
	to.TLS.CurvePreferences = []tls.CurveID{tls.X25519}
	return to
}

// openAll opens so many connections, some at a time, and does something on each.
func openAll(t *testing.T, n int, to raw.Target, settings []http2.Setting, do func(i int, c *raw.Conn) error) []*raw.Conn {
	t.Helper()
	all := make([]*raw.Conn, n)
	errs := make([]error, n)
	var running sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i := range n {
		turns <- struct{}{}
		running.Go(func() {
			defer func() { <-turns }()
			ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
			defer cancel()
			if all[i], errs[i] = raw.Dial(ctx, to, settings...); errs[i] == nil {
				errs[i] = do(i, all[i])
			}
		})
	}
	running.Wait()
	t.Cleanup(func() {
		for _, c := range all {
			if c != nil {
				_ = c.Close()
			}
		}
	})
	for _, err := range errs {
		require.NoError(t, err)
	}
	return all
}

// ping has a server answer a PING, so that it has taken all that came before.
func ping(c *raw.Conn) error {
	before := c.Pongs
	if err := c.WritePing(false, [8]byte{}); err != nil {
		return err
	}
	return c.Until(func() bool { return c.Pongs > before })
}

// 100,000 streams on 1,000 connections, whose windows are shut or whose bodies don't come, take 400
// MB at most. Those that run are served once they go on, and those that waited for a place at the
// backend meanwhile get a 503 by then.
func TestOpenStreams(t *testing.T) {
	const connections, each, atMost = 1000, 100, 400 * megabyte
	s := startServer(t, programs.shipped, address(origin(t).URL), "[server]\nread_timeout = \"10m\"\nwrite_timeout = \"10m\"\nmin_rate = \"0\"\n")
	begin := func(i int, c *raw.Conn) error {
		for range each {
			open := medium
			if i%2 == 1 {
				open = upload
			}
			if err := open(c); err != nil {
				return err
			}
		}
		if err := ping(c); err != nil {
			return err
		}
		for stream := uint32(1); stream < 2*each; stream += 2 {
			if r := c.Response(stream); r.Done() {
				return fmt.Errorf("stream %d of a connection is done: %+v", stream, r)
			}
		}
		return nil
	}
	uploads := openAll(t, 1, cheap(s.secure), shut(), func(_ int, c *raw.Conn) error { return begin(1, c) })
	// A backend is picked once some of the body has come, or body_wait has passed.
	s.hasInFlight(each)
	all := openAll(t, connections-1, cheap(s.secure), shut(), begin)
	peak, err := s.tree().Peak()
	require.NoError(t, err)
	t.Logf("%d streams: %d MB", connections*each, peak/megabyte)
	assert.LessOrEqual(t, peak, int64(atMost))
	goOn(t, all[0], func(c *raw.Conn, stream uint32) error { return c.WriteWindowUpdate(stream, megabyte) })
	goOn(t, uploads[0], func(c *raw.Conn, stream uint32) error {
		return errors.Join(c.WriteData(stream, true, []byte("body")), c.WriteWindowUpdate(stream, megabyte))
	})
}

// hasInFlight waits until the backend has so many requests.
func (s *server) hasInFlight(n int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	require.NoError(s.t, s.process.Await(ctx, func() error {
		text, err := testbed.Get(ctx, "http://"+s.admin+"/backends")
		if want := fmt.Sprintf(`"in_flight":%d,`, n); err == nil && !strings.Contains(string(text), want) {
			err = fmt.Errorf("%s; want %s", text, want)
		}
		return err
	}))
}

// medium asks for a response that is larger than what the proxy reads ahead. It is small, since the
// kernel holds what isn't read.
func medium(c *raw.Conn) error {
	_, err := c.Open(true, get("/medium")...)
	return err
}

// goOn goes on with each stream of a connection, and gets the responses.
func goOn(t *testing.T, c *raw.Conn, how func(*raw.Conn, uint32) error) {
	t.Helper()
	require.NoError(t, c.WriteWindowUpdate(0, 1<<30))
	for n := range c.Opened() {
		require.NoError(t, how(c, uint32(2*n+1)))
	}
	served := 0
	for n := range c.Opened() {
		response, err := c.Await(uint32(2*n + 1))
		require.NoError(t, err)
		require.Contains(t, []int{200, 503}, response.Status)
		if response.Status == 200 {
			served++
		}
	}
	assert.Positive(t, served)
}

// An idle connection by TLS, on which there was a response, takes 24 KiB at most.
func TestIdleConnections(t *testing.T) {
	const connections, atMost = 3000, 24 << 10
	s := startServer(t, programs.shipped, address(origin(t).URL), "")
	before, err := s.tree().Resident()
	require.NoError(t, err)
	openAll(t, connections, cheap(s.secure), nil, func(_ int, c *raw.Conn) error {
		stream, err := c.Open(true, get("/")...)
		if err == nil {
			_, err = c.Await(stream)
		}
		return err
	})
	after, err := s.tree().Resident()
	require.NoError(t, err)
	t.Logf("%d bytes a connection", (after-before)/connections)
	assert.LessOrEqual(t, (after-before)/connections, int64(atMost))
}
