//go:build linux

package h2

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/h2/raw"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/bench/lab/peers"
)

// asGullible makes this test binary a server of HTTP/2 that does what it is told, and keeps what it
// gets: the control of attacks. Its value is the file of its certificate.
const asGullible = "EQUALIZER_TEST_GULLIBLE"

// startGullible starts that server as a process of its own.
func startGullible(t *testing.T) (raw.Target, measure.Tree) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	certificate, err := peers.NewCertificate(dir)
	require.NoError(t, err)
	var at string
	process, err := child.Start(child.Program{
		Path: self, Dir: dir, Env: []string{asGullible + "=" + certificate},
		Hello: func(r io.Reader) error { return json.NewDecoder(r).Decode(&at) },
	})
	require.NoError(t, err)
	t.Cleanup(process.Stop)
	tree, err := measure.TreeOf(process.PID())
	require.NoError(t, err)
	return raw.Target{Address: at, TLS: raw.TLS(site)}, tree
}

func serveGullibly() error {
	file := os.Getenv(asGullible)
	cert, err := tls.LoadX509KeyPair(file, file)
	if err != nil {
		return err
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{http2.NextProtoTLS}})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(ln.Addr().String()); err != nil {
		return err
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() { _ = newGullible(conn).serve() }() // Clients come and go.
	}
}

// gullible is a connection of that server. It answers each SETTINGS and PING, and each request but
// those with a body, and those for /hold and /large.
type gullible struct {
	*http2.Framer
	conn net.Conn
	in   *bufio.Reader

	mu    sync.Mutex
	more  *sync.Cond
	queue bytes.Buffer          // of what is to be sent
	heads [][]hpack.HeaderField // of the requests so far
	block bytes.Buffer          // of the request that is coming
	body  bool                  // it has one
}

func newGullible(conn net.Conn) *gullible {
	g := &gullible{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	g.more = sync.NewCond(&g.mu)
	g.Framer = http2.NewFramer(&g.queue, g.in)
	g.AllowIllegalReads, g.AllowIllegalWrites = true, true
	return g
}

func (g *gullible) serve() error {
	defer g.conn.Close()
	if _, err := io.CopyN(io.Discard, g.in, int64(len(http2.ClientPreface))); err != nil {
		return err
	}
	go g.write()
	decoder := hpack.NewDecoder(4096, nil)
	g.take(func() error {
		return g.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	})
	for {
		f, err := g.ReadFrame()
		if errors.As(err, new(http2.StreamError)) || errors.As(err, new(http2.ConnectionError)) {
			continue // The frame is malformed.
		}
		if err != nil {
			return err
		}
		g.take(func() error { return g.handle(f, decoder) })
	}
}

// take does something with the queue.
func (g *gullible) take(do func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = do() // It writes into memory, and what is malformed counts for nothing.
	g.more.Signal()
}

// write sends what is in the queue, however long that gets.
func (g *gullible) write() {
	for {
		g.mu.Lock()
		for g.queue.Len() == 0 {
			g.more.Wait()
		}
		text := bytes.Clone(g.queue.Next(16 << 10))
		g.mu.Unlock()
		if _, err := g.conn.Write(text); err != nil {
			return
		}
	}
}

func (g *gullible) handle(f http2.Frame, decoder *hpack.Decoder) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return g.WriteSettingsAck()
		}
	case *http2.PingFrame:
		return g.WritePing(true, f.Data)
	case *http2.DataFrame:
		if f.Length > 0 {
			return g.WriteWindowUpdate(0, f.Length)
		}
	case *http2.HeadersFrame:
		g.body = !f.StreamEnded()
		g.block.Write(f.HeaderBlockFragment())
		if f.HeadersEnded() {
			return g.request(f.StreamID, decoder)
		}
	case *http2.ContinuationFrame:
		g.block.Write(f.HeaderBlockFragment())
		if f.HeadersEnded() {
			return g.request(f.StreamID, decoder)
		}
	}
	return nil
}

// request keeps a request's head, and responds.
func (g *gullible) request(stream uint32, decoder *hpack.Decoder) error {
	var head []hpack.HeaderField
	held := g.body
	decoder.SetEmitFunc(func(f hpack.HeaderField) {
		head = append(head, hpack.HeaderField{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
		held = held || f.Value == "/hold" || f.Value == "/large"
	})
	_, err := decoder.Write(g.block.Bytes())
	g.block.Reset()
	g.heads = append(g.heads, head)
	if err != nil || held {
		return err
	}
	ok := []byte{0x88} // :status 200, of the static table
	if err := g.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: ok, EndHeaders: true}); err != nil {
		return err
	}
	return g.WriteData(stream, true, []byte("ok"))
}
