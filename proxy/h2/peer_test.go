package h2

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// bed is a server with one client, in a bubble of testing/synctest.
type bed struct {
	*Server
	*http2.Framer
	t       *testing.T
	clients *netconn.Clients
	conn    net.Conn
	block   bytes.Buffer
	fields  *hpack.Encoder
	// decoder reads the responses, seen is how many of the frames that came were looked at.
	decoder *hpack.Decoder
	seen    int
	// closes has connections end with their requests.
	closes atomic.Bool
	// drains has the server drain.
	drains atomic.Bool
	// deaf has the client read no more than it does now, until the end.
	deaf atomic.Bool
	mu   sync.Mutex
	// got are the frames that came, each as text, and errs what servers and handlers noted.
	got, errs []string
	// release has the handlers that hold go on.
	release chan struct{}
}

// limits are those that tests start from.
func limits() Limits {
	return Limits{MaxHeader: 4 << 10, MaxStreams: 10, StreamWindow: 64 << 10, ConnWindow: 128 << 10}
}

// clientLimits bound the client in its waits.
var clientLimits = netconn.ClientLimits{
	Header: 10 * time.Second, Idle: time.Minute, Read: 20 * time.Second, Write: 20 * time.Second,
	MinRate: 1000, RateGrace: 30 * time.Second,
}

// within runs a test in a bubble, with a client that has begun.
func within(t *testing.T, l Limits, test func(b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, l)
		defer b.end()
		b.greet()
		test(b)
	})
}

// start starts a server and connects its client, which says nothing yet.
func start(t *testing.T, l Limits) *bed {
	b := &bed{t: t, release: make(chan struct{})}
	b.Server = NewServer(Settings{
		Limits: l, Contain: func(*error) {}, WantsClose: func(any) bool { return b.closes.Load() }, Drains: b.drains.Load,
		Ended: func(_ netip.Addr, why *Fault) { b.note(why) },
	}, func(t *Turn) Handler { return &handler{t, b} })
	ours, theirs := net.Pipe()
	b.conn, b.clients = theirs, netconn.NewClients(clientLimits)
	b.Framer = http2.NewFramer(theirs, theirs)
	b.AllowIllegalWrites, b.AllowIllegalReads = true, true
	b.fields = hpack.NewEncoder(&b.block)
	b.decoder = hpack.NewDecoder(4096, nil)
	go b.Serve(b.clients.Add(ours, nil), nil)
	go b.read()
	return b
}

// greet begins the connection as clients do.
func (b *bed) greet() {
	b.raw(Preface)
	require.NoError(b.t, b.WriteSettings())
	require.NoError(b.t, b.WriteSettingsAck())
	synctest.Wait()
	b.seen = len(b.came())
}

// end ends the connection. Nothing may be left of it.
func (b *bed) end() {
	_ = b.conn.Close()
	close(b.release)
	synctest.Wait()
	time.Sleep(time.Minute) // In the bubble: whatever waits has waited enough.
	synctest.Wait()
	assert.Zero(b.t, b.clients.Len())
	s := b.Stats()
	assert.Zero(b.t, s.Connections)
	assert.Zero(b.t, s.Streams)
}

// raw sends text.
func (b *bed) raw(text string) { _, _ = io.WriteString(b.conn, text) }

// read notes what comes.
func (b *bed) read() {
	for {
		if b.deaf.Load() {
			<-b.release
		}
		f, err := b.ReadFrame()
		text := "end"
		if err == nil {
			text = b.text(f)
		}
		b.mu.Lock()
		b.got = append(b.got, text)
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// came are the frames that have come.
func (b *bed) came() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got
}

// ended reports whether the connection has ended.
func (b *bed) ended() bool {
	got := b.came()
	return len(got) > 0 && got[len(got)-1] == "end"
}

// note notes an error, and faults are those that were noted.
func (b *bed) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs = append(b.errs, err.Error())
}

func (b *bed) faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.errs
}

// text is a frame as text.
func (b *bed) text(f http2.Frame) string {
	id, end := f.Header().StreamID, ""
	if f.Header().Flags.Has(http2.FlagDataEndStream) && (f.Header().Type == http2.FrameData || f.Header().Type == http2.FrameHeaders) {
		end = " end"
	}
	switch f := f.(type) {
	case *http2.HeadersFrame:
		fields, err := b.decoder.DecodeFull(f.HeaderBlockFragment())
		if err != nil {
			return err.Error()
		}
		if fields[0].Name != ":status" {
			return fmt.Sprintf("trailers %d %s=%s%s", id, fields[0].Name, fields[0].Value, end)
		}
		return fmt.Sprintf("head %d %s%s", id, fields[0].Value, end)
	case *http2.DataFrame:
		if n := len(f.Data()); n > 100 || n > 0 && f.Data()[0] == 0 {
			return fmt.Sprintf("data %d %d bytes%s", id, n, end)
		}
		return fmt.Sprintf("data %d %s%s", id, f.Data(), end)
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("reset %d %v", id, Code(f.ErrCode))
	case *http2.GoAwayFrame:
		return fmt.Sprintf("goaway %d %v", f.LastStreamID, Code(f.ErrCode))
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("window %d +%d", id, f.Increment)
	case *http2.SettingsFrame:
		return fmt.Sprintf("settings ack=%v", f.IsAck())
	case *http2.PingFrame:
		return fmt.Sprintf("ping ack=%v %s", f.IsAck(), f.Data[:])
	}
	return f.Header().Type.String()
}

// next are the frames that have come since it was last asked.
func (b *bed) next() []string {
	synctest.Wait()
	time.Sleep(2 * lookEvery) // Handlers that hold see that their client has left.
	synctest.Wait()
	got := b.came()[b.seen:]
	b.seen += len(got)
	return got
}

// expect checks what has come.
func (b *bed) expect(want ...string) {
	b.t.Helper()
	if want == nil {
		want = []string{}
	}
	require.Equal(b.t, want, append([]string{}, b.next()...))
}

// list encodes a field list: names and values in turn.
func (b *bed) list(pairs ...string) []byte {
	b.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		require.NoError(b.t, b.fields.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	return b.block.Bytes()
}

// head is a request's field list.
func (b *bed) head(method, path string, more ...string) []byte {
	return b.list(append([]string{":method", method, ":scheme", "http", ":authority", "x", ":path", path}, more...)...)
}

// open sends a head, whose body follows.
func (b *bed) open(stream uint32, path string, more ...string) {
	_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b.head("POST", path, more...), EndHeaders: true})
}

// trailers sends the trailers of a request's body, which they may end.
func (b *bed) trailers(stream uint32, ends bool) {
	_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: b.list("a", "b"), EndHeaders: true, EndStream: ends})
}

// get sends a request without a body.
func (b *bed) get(stream uint32, path string, more ...string) {
	_ = b.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: b.head("GET", path, more...), EndHeaders: true, EndStream: true,
	})
}

// handler does what a request's path says.
type handler struct {
	*Turn
	bed *bed
}

func (h *handler) Begin() {}

func (h *handler) Handle() {
	head, err := h.ReadHead()
	h.Admitted()
	if why, refused := err.(*http1.Refusal); refused {
		h.reply(why.Status, why.Reason)
		return
	}
	if err != nil {
		h.Cut()
		return
	}
	path, rest, _ := strings.Cut(strings.TrimPrefix(string(head.Path), "/"), "/")
	switch path {
	case "echo":
		h.echo()
	case "hold": // until the bed says, or the client leaves
		h.hold()
		h.reply(200, "held")
	case "last":
		h.Lasts()
		h.hold()
		h.reply(200, "lasted")
	case "upload": // as the client sends it
		n, err := h.drain()
		h.reply(200, fmt.Sprint(n, " ", err))
	case "send": // so many bytes
		h.sendBytes(rest)
	case "cut":
		_ = h.respond(200, []byte("x"), false)
		h.Cut()
	default:
		h.reply(200, "ok")
	}
}

func (h *handler) reply(status int, body string) {
	var own rewrite.Reply
	own.Begin(status, "text/plain", []byte(body))
	_ = h.Reply(&own)
}

// respond begins a response as from a backend.
func (h *handler) respond(status int, first []byte, last bool) error {
	var a http1.Response
	if why := a.Parse([]byte(fmt.Sprintf("HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n", status))); why != nil {
		return why
	}
	return h.Respond(&rewrite.Response{Received: &a, Rules: &rewrite.FieldRules{}}, first, last, nil)
}

// lookEvery is how often a handler that holds looks whether its client has left.
const lookEvery = time.Millisecond

func (h *handler) hold() {
	left := make(chan struct{})
	go func() {
		for !h.Awaiter().Ended() {
			select {
			case <-h.bed.release:
				close(left)
				return
			case <-time.After(lookEvery):
			}
		}
		close(left)
	}()
	<-left
}

func (h *handler) drain() (n int, err error) {
	var buf [1000]byte
	for !h.Complete() {
		m, err := h.ReadBody(buf[:])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (h *handler) echo() {
	if h.respond(200, nil, false) != nil {
		return
	}
	buf := h1.GetBuffer()
	defer h1.PutBuffer(buf)
	for !h.Complete() {
		n, err := h.ReadBody(h1.Room(buf))
		if err != nil {
			h.Cut()
			return
		}
		if h.WriteBody(h1.Piece{Buffer: buf, N: n, Last: h.Complete(), Trailers: h.Trailers()}) != nil {
			return
		}
	}
}

// sendBytes sends so many bytes, and notes why it can't.
func (h *handler) sendBytes(size string) {
	var left int
	_, _ = fmt.Sscan(size, &left)
	if err := h.respond(200, nil, left == 0); err != nil {
		return
	}
	buf := new(h1.Buffer)
	for left > 0 {
		n := min(left, len(h1.Room(buf)))
		left -= n
		if err := h.WriteBody(h1.Piece{Buffer: buf, N: n, Last: left == 0}); err != nil {
			h.bed.note(err)
			h.Abort()
			return
		}
	}
}
