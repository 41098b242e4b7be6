//go:build linux && e2e

package h2

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/http2"

	"gopher-equalizer/bench/lab/h2/raw"
	"gopher-equalizer/bench/lab/measure"
)

// siege is a kind of attack that holds what it gets, and does next to nothing.
type siege struct {
	name     string
	settings []http2.Setting
	// begin opens what is held.
	begin func(*raw.Conn) error
	// drip is done again and again, with a pause after each; nil for nothing.
	drip func(*raw.Conn) error
}

// most is how many streams a siege opens on a connection, if it may.
const most = 100

// streams opens as many streams as the server allows.
func streams(open func(*raw.Conn) error) func(*raw.Conn) error {
	return func(c *raw.Conn) error {
		n := uint32(most)
		if allowed, given := c.Settings[http2.SettingMaxConcurrentStreams]; given {
			n = min(n, allowed)
		}
		for range n {
			if err := open(c); err != nil {
				return err
			}
		}
		return nil
	}
}

func large(c *raw.Conn) error {
	_, err := c.Open(true, get("/large")...)
	return err
}

func upload(c *raw.Conn) error {
	_, err := c.Open(false, post("/count")...)
	return err
}

// each does something on each stream that was opened.
func each(do func(c *raw.Conn, stream uint32) error) func(*raw.Conn) error {
	return func(c *raw.Conn) error {
		for stream := uint32(1); stream < 2*most; stream += 2 {
			if err := do(c, stream); err != nil {
				return err
			}
		}
		return nil
	}
}

func shut() []http2.Setting { return []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}} }

// unended begins a header block.
func unended(c *raw.Conn) error {
	return c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.Next(), BlockFragment: c.Block(get("/")...), EndStream: true})
}

// sieges are those that a server must end.
func sieges() []siege {
	return []siege{
		{name: "shut windows", settings: shut(), begin: streams(large)},
		{name: "windows that open by a byte", settings: shut(), begin: streams(large), drip: each(func(c *raw.Conn, stream uint32) error {
			return c.WriteWindowUpdate(stream, 1)
		})},
		{name: "a connection's window that opens by a byte", begin: streams(large), drip: func(c *raw.Conn) error { return c.WriteWindowUpdate(0, 1) }},
		{name: "uploads that don't come", begin: streams(upload)},
		{name: "uploads by the byte", begin: streams(upload), drip: each(func(c *raw.Conn, stream uint32) error {
			return c.WriteData(stream, false, []byte("x"))
		})},
		{name: "a header block without an end", begin: unended},
		{name: "a header block by the byte", begin: unended, drip: func(c *raw.Conn) error { return c.WriteContinuation(1, false, []byte{0}) }},
		{name: "nothing at all", begin: func(*raw.Conn) error { return nil }},
	}
}

// impatient is a configuration that waits for nobody long.
const impatient = "[server]\nheader_timeout = \"3s\"\nidle_timeout = \"3s\"\nread_timeout = \"3s\"\nwrite_timeout = \"3s\"\nmin_rate = \"1KiB\"\nrate_grace = \"3s\"\n"

// besiege holds a connection until the server has ended it, or all of its streams. It returns an
// error if that takes too long.
func besiege(c *raw.Conn, k siege, long time.Duration) error {
	err := k.begin(c)
	if err == nil {
		err = c.Flush()
	}
	ended := make(chan struct{})
	streams := c.Opened()
	go func() { defer close(ended); awaitAll(c, streams) }()
	defer func() { _ = c.Close(); <-ended }()
	if err != nil {
		return nil // It ended the connection.
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(long)
	for {
		select {
		case <-ended:
			return nil
		case <-late:
			return fmt.Errorf("it was held for %v", long)
		case <-tick.C:
		}
		if k.drip != nil && errors.Join(k.drip(c), c.Flush()) != nil {
			return nil
		}
	}
}

// awaitAll reads until so many streams are done, if there are any, or the connection has ended.
func awaitAll(c *raw.Conn, streams int) {
	done := 0
	for done < streams || streams == 0 {
		f, err := c.ReadFrame()
		if err != nil || c.Note(f) != nil {
			return
		}
		if stream := f.Header().StreamID; stream != 0 && c.Response(stream).Done() {
			c.Forget(stream)
			done++
		}
	}
}

// besieged has a server withstand a siege, and returns the faults that it has shown.
func besieged(t *testing.T, k siege, connections int, long time.Duration, to raw.Target, tree measure.Tree) []string {
	t.Helper()
	var mu sync.Mutex
	var held error
	c := during(t, to, tree, func() {
		onConnections(t, connections, to, k.settings, func(conn *raw.Conn) {
			if err := besiege(conn, k, long); err != nil {
				mu.Lock()
				defer mu.Unlock()
				held = err
			}
		})
	})
	t.Log(c)
	faults := c.faults()
	if held != nil {
		faults = append(faults, held.Error())
	}
	return faults
}

// Who holds what it gets doesn't keep it.
func TestSieges(t *testing.T) {
	backend := address(origin(t).URL)
	for _, k := range sieges() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, programs.shipped, backend, impatient)
			assert.Empty(t, besieged(t, k, 1, patience, s.secure, s.tree()))
		})
	}
}

// A server that waits for ever shows it under each siege.
func TestSiegesAreNoticed(t *testing.T) {
	for _, k := range sieges() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			to, tree := startGullible(t)
			assert.Equal(t, []string{"it was held for 300ms"}, besieged(t, k, 1, 300*time.Millisecond, to, tree))
		})
	}
}
