// Package raw is a client of HTTP/2 that sends whatever it is told, frame by frame, also what no
// client may send.
package raw

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Conn is a connection. What is written goes into a buffer, and from there when that is full, at
// Flush, and before anything is read. One goroutine may write while another one reads, if
// neither calls Until, which does both.
type Conn struct {
	*http2.Framer
	net net.Conn
	out *bufio.Writer

	block   bytes.Buffer
	encoder *hpack.Encoder
	last    uint32 // the last stream that was opened

	// Settings are the server's.
	Settings map[http2.SettingID]uint32
	// Acks and Pongs are how many SETTINGS and PINGs it has acknowledged.
	Acks, Pongs int
	// Window is what the server takes on the connection as a whole, before anything is sent.
	Window int64
	// GoAway is the last one that it sent; nil if it sent none.
	GoAway  *GoAway
	streams map[uint32]*Response
}

// GoAway is what a server said when it went away.
type GoAway struct {
	Last uint32 // the last stream that it took, or might take
	Code http2.ErrCode
	Why  string // for people
}

// Response is what came on a stream so far.
type Response struct {
	Status  int
	Interim []int // the 1xx before it
	Header  []hpack.HeaderField
	Body    []byte
	// Received is how many bytes of a body came, also where they aren't kept.
	Received int64
	Trailers []hpack.HeaderField
	Ended    bool           // by END_STREAM
	Reset    *http2.ErrCode // the code of RST_STREAM
}

// Done reports whether nothing more will come.
func (r *Response) Done() bool { return r.Ended || r.Reset != nil }

// Get returns a field of the header; empty if there is none.
func (r *Response) Get(name string) string {
	for _, f := range r.Header {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Target is where a Conn connects to.
type Target struct {
	Address string
	// TLS is nil for HTTP/2 in clear, by prior knowledge.
	TLS *tls.Config
}

// TLS is a client's that asks for HTTP/2 under a name, and verifies nothing.
func TLS(name string) *tls.Config {
	return &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{http2.NextProtoTLS}}
}

// Connect opens a connection, on which nothing is sent yet.
func Connect(ctx context.Context, to Target) (*Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.Address)
	if err != nil {
		return nil, err
	}
	if to.TLS != nil {
		secure := tls.Client(conn, to.TLS)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		if got := secure.ConnectionState().NegotiatedProtocol; got != http2.NextProtoTLS {
			return nil, errors.Join(fmt.Errorf("the server chose the protocol %q; want %q", got, http2.NextProtoTLS), conn.Close())
		}
		conn = secure
	}
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	c := &Conn{net: conn, Window: 65535, out: bufio.NewWriterSize(conn, 16<<10), Settings: map[http2.SettingID]uint32{}, streams: map[uint32]*Response{}}
	c.encoder = hpack.NewEncoder(&c.block)
	c.Framer = http2.NewFramer(c.out, bufio.NewReader(conn))
	c.AllowIllegalWrites = true
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	return c, nil
}

// Dial is Connect with the preface, and awaits the server's settings.
func Dial(ctx context.Context, to Target, settings ...http2.Setting) (*Conn, error) {
	c, err := Connect(ctx, to)
	if err != nil {
		return nil, err
	}
	if err := c.begin(settings); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Conn) begin(settings []http2.Setting) error {
	if err := c.Preface(settings...); err != nil {
		return err
	}
	return c.Until(func() bool { return c.Acks > 0 })
}

// Preface sends the client's preface.
func (c *Conn) Preface(settings ...http2.Setting) error {
	_, _ = c.out.WriteString(http2.ClientPreface) // Flush has its error.
	return c.WriteSettings(settings...)
}

// Send sends bytes as they are.
func (c *Conn) Send(text []byte) error {
	_, err := c.out.Write(text)
	return err
}

// Flush sends what was written.
func (c *Conn) Flush() error { return c.out.Flush() }

// Close closes the connection.
func (c *Conn) Close() error { return c.net.Close() }

// SetDeadline bounds all reads and writes from now on.
func (c *Conn) SetDeadline(t time.Time) error { return c.net.SetDeadline(t) }

// Next is the number of the next stream, which the caller opens.
func (c *Conn) Next() uint32 {
	if c.last == 0 {
		c.last = 1
	} else {
		c.last += 2
	}
	return c.last
}

// Opened is how many streams were opened.
func (c *Conn) Opened() int { return int(c.last+1) / 2 }

// Fields are a request's: its method and path, then names and values.
func Fields(method, scheme, authority, path string, more ...string) []hpack.HeaderField {
	return append(Pairs(":method", method, ":scheme", scheme, ":authority", authority, ":path", path), Pairs(more...)...)
}

// Pairs are fields by names and values.
func Pairs(pairs ...string) (fields []hpack.HeaderField) {
	for i := 0; i+1 < len(pairs); i += 2 {
		fields = append(fields, hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return fields
}

// Block encodes fields as they are. It is good until the next call.
func (c *Conn) Block(fields ...hpack.HeaderField) []byte {
	c.block.Reset()
	for _, f := range fields {
		_ = c.encoder.WriteField(f) // into memory
	}
	return c.block.Bytes()
}

// maxFrame is the largest payload that every server takes.
const maxFrame = 16 << 10

// Headers writes a header block, with CONTINUATIONs if it is large.
func (c *Conn) Headers(stream uint32, end bool, fields ...hpack.HeaderField) error {
	block := c.Block(fields...)
	first := block[:min(len(block), maxFrame)]
	block = block[len(first):]
	err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0})
	for err == nil && len(block) > 0 {
		part := block[:min(len(block), maxFrame)]
		block = block[len(part):]
		err = c.WriteContinuation(stream, len(block) == 0, part)
	}
	return err
}

// Open opens the next stream with a header block.
func (c *Conn) Open(end bool, fields ...hpack.HeaderField) (stream uint32, err error) {
	stream = c.Next()
	return stream, c.Headers(stream, end, fields...)
}

// Response is what came on a stream.
func (c *Conn) Response(stream uint32) *Response {
	r := c.streams[stream]
	if r == nil {
		r = &Response{}
		c.streams[stream] = r
	}
	return r
}

// Forget forgets what came on a stream.
func (c *Conn) Forget(stream uint32) { delete(c.streams, stream) }

// Until reads frames until done, and acknowledges the server's settings and pings.
func (c *Conn) Until(done func() bool) error {
	for !done() {
		if err := c.Flush(); err != nil {
			return err
		}
		f, err := c.ReadFrame()
		if err != nil {
			return err
		}
		if err := c.take(f); err != nil {
			return err
		}
	}
	return nil
}

// Await reads frames until a stream is done, and returns what came on it. If the connection ends
// before, that is the error.
func (c *Conn) Await(stream uint32) (*Response, error) {
	r := c.Response(stream)
	return r, c.Until(r.Done)
}

// take notes what a frame says, and answers it.
func (c *Conn) take(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		return c.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.WritePing(true, f.Data)
		}
	}
	return c.Note(f)
}

func (c *Conn) settings(f *http2.SettingsFrame) error {
	if err := c.Note(f); err != nil || f.IsAck() {
		return err
	}
	return c.WriteSettingsAck()
}

// Note notes what a frame says. It writes nothing.
func (c *Conn) Note(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			c.Acks++
			return nil
		}
		return f.ForeachSetting(func(s http2.Setting) error { c.Settings[s.ID] = s.Val; return nil })
	case *http2.PingFrame:
		if f.IsAck() {
			c.Pongs++
		}
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			c.Window += int64(f.Increment)
		}
	case *http2.GoAwayFrame:
		c.GoAway = &GoAway{f.LastStreamID, f.ErrCode, string(f.DebugData())}
	case *http2.RSTStreamFrame:
		code := f.ErrCode
		c.Response(f.StreamID).Reset = &code
	case *http2.DataFrame:
		r := c.Response(f.StreamID)
		r.Received += int64(len(f.Data()))
		r.Body = append(r.Body, f.Data()...)
		r.Ended = f.StreamEnded()
	case *http2.MetaHeadersFrame:
		return c.Response(f.StreamID).head(f)
	}
	return nil
}

// head notes a header block: an interim response, the response's header, or its trailers.
func (r *Response) head(f *http2.MetaHeadersFrame) error {
	r.Ended = f.StreamEnded()
	if r.Status != 0 {
		r.Trailers = f.Fields
		return nil
	}
	status, err := strconv.Atoi(f.PseudoValue("status"))
	switch {
	case err != nil:
		return fmt.Errorf("a response's status: %w", err)
	case status < 200:
		r.Interim = append(r.Interim, status)
	default:
		r.Status, r.Header = status, f.Fields
	}
	return nil
}
