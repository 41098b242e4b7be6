package h2

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/http2"
)

// A frame that can't be ends the connection, or its stream, as RFC 9113 wants it.
func TestFaults(t *testing.T) {
	f := func(name string, send func(b *bed), want ...string) {
		t.Run(name, func(t *testing.T) {
			within(t, limits(), func(b *bed) {
				send(b)
				got := b.next()
				for _, w := range want {
					assert.Contains(t, got, w)
				}
				assert.Equal(t, strings.HasPrefix(want[0], "goaway"), got[len(got)-1] == "end", "%q", got)
			})
		})
	}
	raw := func(kind http2.FrameType, flags http2.Flags, stream uint32, payload string) func(*bed) {
		return func(b *bed) { _ = b.WriteRawFrame(kind, flags, stream, []byte(payload)) }
	}
	on := func(path string, then func(*bed)) func(*bed) {
		return func(b *bed) {
			b.open(1, path)
			then(b)
		}
	}
	all := func(each ...func(*bed)) func(*bed) {
		return func(b *bed) {
			for _, f := range each {
				f(b)
			}
		}
	}
	settled := func(*bed) { synctest.Wait() }
	increment := func(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
	const protocol, size, flow, closed = "goaway 0 PROTOCOL_ERROR", "goaway 0 FRAME_SIZE_ERROR", "goaway 0 FLOW_CONTROL_ERROR", "goaway 1 STREAM_CLOSED"
	const protocol1 = "goaway 1 PROTOCOL_ERROR"

	// 4.1, 4.2: size
	f("frame too large", raw(http2.FrameData, 0, 1, strings.Repeat("x", maxFrame+1)), size)
	f("unknown frame too large", raw(0x77, 0, 0, strings.Repeat("x", maxFrame+1)), size)
	// 5.1: states
	f("DATA on idle", raw(http2.FrameData, 0, 1, "x"), protocol)
	f("RST_STREAM on idle", raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08"), protocol)
	f("WINDOW_UPDATE on idle", raw(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x08"), protocol)
	f("CONTINUATION on idle", raw(http2.FrameContinuation, 4, 1, ""), protocol)
	f("DATA behind the end", func(b *bed) {
		b.get(1, "/hold")
		raw(http2.FrameData, 0, 1, "x")(b)
	}, "reset 1 STREAM_CLOSED")
	f("HEADERS behind the end", func(b *bed) {
		b.get(1, "/hold")
		b.get(1, "/hold")
	}, "reset 1 STREAM_CLOSED")
	f("HEADERS on a closed stream", func(b *bed) {
		b.get(1, "/")
		synctest.Wait()
		b.get(1, "/")
	}, closed)
	f("DATA on a closed stream", func(b *bed) {
		b.get(1, "/")
		synctest.Wait()
		raw(http2.FrameData, 0, 1, "x")(b)
	}, "reset 1 STREAM_CLOSED")
	f("HEADERS behind the client's reset", on("/hold", all(func(b *bed) { _ = b.WriteRSTStream(1, http2.ErrCodeCancel) }, func(b *bed) { b.get(1, "/") })), closed)
	// 5.1.1: identifiers
	f("even stream", func(b *bed) { b.get(2, "/") }, protocol)
	f("stream 0", func(b *bed) { b.get(0, "/") }, protocol)
	f("lower stream", func(b *bed) {
		b.get(5, "/")
		b.get(3, "/")
	}, "goaway 5 PROTOCOL_ERROR")
	// 6.1
	f("DATA on stream 0", raw(http2.FrameData, 0, 0, "x"), protocol)
	f("DATA with too much padding", on("/hold", raw(http2.FrameData, flagPadded, 1, "\x05xxxx")), protocol1)
	f("DATA with padding of its size", on("/hold", raw(http2.FrameData, flagPadded, 1, "\x01")), protocol1)
	f("padded DATA without padding", on("/hold", raw(http2.FrameData, flagPadded, 1, "")), "goaway 1 FRAME_SIZE_ERROR")
	// 6.2
	f("HEADERS with too much padding", raw(http2.FrameHeaders, flagPadded|flagEndHeaders, 1, "\x09xx"), protocol)
	f("HEADERS too small", raw(http2.FrameHeaders, flagPriority|flagEndHeaders, 1, "\x00\x00\x00\x00"), size)
	f("depends on itself", raw(http2.FrameHeaders, flagPriority|flagEndHeaders, 1, "\x00\x00\x00\x01\x10"), protocol)
	f("nothing in HEADERS", raw(http2.FrameHeaders, flagEndHeaders, 1, ""), "reset 1 PROTOCOL_ERROR")
	f("another frame in a head", all(raw(http2.FrameHeaders, 0, 1, ""), raw(http2.FramePing, 0, 0, "12345678")), protocol)
	f("another stream's CONTINUATION", all(raw(http2.FrameHeaders, 0, 1, ""), raw(http2.FrameContinuation, 4, 3, "")), protocol)
	f("unknown frame in a head", all(raw(http2.FrameHeaders, 0, 1, ""), raw(0x77, 0, 0, "")), protocol)
	// 6.3
	f("PRIORITY on stream 0", raw(http2.FramePriority, 0, 0, "\x00\x00\x00\x01\x10"), protocol)
	f("PRIORITY of another size", raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x01"), size)
	f("PRIORITY on itself", raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x01\x10"), protocol)
	// 6.4
	f("RST_STREAM on stream 0", raw(http2.FrameRSTStream, 0, 0, "\x00\x00\x00\x08"), protocol)
	f("RST_STREAM of another size", on("/hold", raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x08")), "goaway 1 FRAME_SIZE_ERROR")
	// 6.5
	f("SETTINGS on a stream", raw(http2.FrameSettings, 0, 1, ""), protocol)
	f("SETTINGS of another size", raw(http2.FrameSettings, 0, 0, "\x00\x00\x00"), size)
	f("SETTINGS with an acknowledgement", raw(http2.FrameSettings, flagAck, 0, "\x00\x01\x00\x00\x00\x01"), size)
	f("ENABLE_PUSH of 2", raw(http2.FrameSettings, 0, 0, "\x00\x02\x00\x00\x00\x02"), protocol)
	f("INITIAL_WINDOW_SIZE too large", raw(http2.FrameSettings, 0, 0, "\x00\x04\x80\x00\x00\x00"), flow)
	f("MAX_FRAME_SIZE too small", raw(http2.FrameSettings, 0, 0, "\x00\x05\x00\x00\x3f\xff"), protocol)
	f("MAX_FRAME_SIZE too large", raw(http2.FrameSettings, 0, 0, "\x00\x05\x01\x00\x00\x00"), protocol)
	f("INITIAL_WINDOW_SIZE overflows a window", on("/hold", all(raw(http2.FrameWindowUpdate, 0, 1, increment(maxWindow-firstWindow)), raw(http2.FrameSettings, 0, 0, "\x00\x04\x00\x01\x00\x00"))), "goaway 1 FLOW_CONTROL_ERROR")
	// 6.6
	f("PUSH_PROMISE", raw(http2.FramePushPromise, flagEndHeaders, 1, "\x00\x00\x00\x02"), protocol)
	// 6.7
	f("PING on a stream", raw(http2.FramePing, 0, 1, "12345678"), protocol)
	f("PING of another size", raw(http2.FramePing, 0, 0, "1234567"), size)
	// 6.8
	f("GOAWAY on a stream", raw(http2.FrameGoAway, 0, 1, "12345678"), protocol)
	f("GOAWAY too small", raw(http2.FrameGoAway, 0, 0, "1234567"), size)
	// 6.9
	f("WINDOW_UPDATE of another size", raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x01"), size)
	f("WINDOW_UPDATE by nothing", raw(http2.FrameWindowUpdate, 0, 0, increment(0)), protocol)
	f("WINDOW_UPDATE by nothing on a stream", on("/hold", raw(http2.FrameWindowUpdate, 0, 1, increment(0))), "reset 1 PROTOCOL_ERROR")
	f("WINDOW_UPDATE by too much", raw(http2.FrameWindowUpdate, 0, 0, increment(maxWindow)), flow)
	f("WINDOW_UPDATE by too much on a stream", on("/hold", raw(http2.FrameWindowUpdate, 0, 1, increment(maxWindow))), "reset 1 FLOW_CONTROL_ERROR")
	f("DATA over the stream's window", on("/hold", func(b *bed) {
		for range limits().StreamWindow/maxFrame + 1 {
			_ = b.WriteData(1, false, make([]byte, maxFrame))
		}
	}), "reset 1 FLOW_CONTROL_ERROR")
	f("DATA over the connection's window", all(on("/hold", settled), func(b *bed) {
		b.open(3, "/hold")
		b.open(5, "/hold")
		for i := range 9 {
			_ = b.WriteData(uint32(i/3)*2+1, false, make([]byte, maxFrame))
		}
	}), "goaway 5 FLOW_CONTROL_ERROR")
	// 6.10
	f("CONTINUATION behind a head", on("/hold", raw(http2.FrameContinuation, 4, 1, "")), protocol1)
	f("CONTINUATION without end", all(raw(http2.FrameHeaders, 0, 1, ""), func(b *bed) {
		for range mostContinuations + 1 {
			_ = b.WriteContinuation(1, false, nil)
		}
	}), "goaway 0 ENHANCE_YOUR_CALM")
	// 8.1
	f("trailers without an end", on("/hold", func(b *bed) {
		_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b.list("x", "y"), EndHeaders: true})
	}), "reset 1 PROTOCOL_ERROR")
	f("trailers with a pseudo field", on("/hold", func(b *bed) {
		_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b.list(":path", "/"), EndHeaders: true, EndStream: true})
	}), "reset 1 PROTOCOL_ERROR")
	f("more DATA than content-length", func(b *bed) {
		b.open(1, "/hold", "content-length", "3")
		_ = b.WriteData(1, false, []byte("four"))
	}, "reset 1 PROTOCOL_ERROR")
	f("fewer DATA than content-length", func(b *bed) {
		b.open(1, "/hold", "content-length", "3")
		_ = b.WriteData(1, true, []byte("no"))
	}, "reset 1 PROTOCOL_ERROR")
	f("fewer DATA than content-length, with trailers", func(b *bed) {
		b.open(1, "/hold", "content-length", "3")
		_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b.list("x", "y"), EndHeaders: true, EndStream: true})
	}, "reset 1 PROTOCOL_ERROR")
	// RFC 7541
	f("an index that isn't there", raw(http2.FrameHeaders, flagEndHeaders, 1, "\xff\x70"), "goaway 0 COMPRESSION_ERROR")
	f("a block that is cut", raw(http2.FrameHeaders, flagEndHeaders, 1, "\x40\x05abc"), "goaway 0 COMPRESSION_ERROR")
	f("a table that is too large", raw(http2.FrameHeaders, flagEndHeaders, 1, "\x3f\xe2\x1f"), "goaway 0 COMPRESSION_ERROR")
}

// What doesn't begin as HTTP/2 does ends.
func TestBadBeginnings(t *testing.T) {
	for name, text := range map[string]string{
		"HTTP/1": "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "no SETTINGS": Preface + "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678",
		"an acknowledgement": Preface + "\x00\x00\x00\x04\x01\x00\x00\x00\x00", "half a preface": Preface[:20] + "xxxxxxxxx",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, limits())
				defer b.end()
				b.raw(text)
				got := b.next()
				assert.Equal(t, []string{"goaway 0 PROTOCOL_ERROR", "end"}, got[len(got)-2:])
				assert.Len(t, b.faults(), 1)
				assert.EqualValues(t, 1, b.Stats().Faulty)
			})
		})
	}
}

// What is allowed is answered, or ignored.
func TestNoFaults(t *testing.T) {
	within(t, limits(), func(b *bed) {
		_ = b.WritePing(false, [8]byte([]byte("12345678")))
		b.expect("ping ack=true 12345678")
		_ = b.WriteSettings(http2.Setting{ID: 0x99, Val: 1}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 1 << 20})
		b.expect("settings ack=true")
		_ = b.WriteRawFrame(0x77, 0xff, 99, []byte("whatever"))
		_ = b.WriteRawFrame(http2.FramePriority, 0, 3, []byte("\x00\x00\x00\x05\x10"))
		_ = b.WriteRawFrame(0x10, 0, 0, []byte("\x00\x00\x00\x03u=1"))
		_ = b.WriteRawFrame(0x10, 0, 0, []byte("\x00\x00\x00\x03u=1"+strings.Repeat(" ", 1000)))
		_ = b.WriteWindowUpdate(0, 1)
		b.expect()
		_ = b.WriteRawFrame(http2.FrameHeaders, flagPadded|flagPriority|flagEndHeaders|flagEndStream, 1,
			append(append([]byte("\x03\x80\x00\x00\x63\x10"), b.head("GET", "/")...), 0, 0, 0))
		b.expect("head 1 200", "data 1 ok end")
		_ = b.WriteWindowUpdate(1, 5)
		_ = b.WriteRSTStream(1, http2.ErrCodeCancel)
		b.expect()
		block := append([]byte(nil), b.head("GET", "/")...)
		_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block[:1], EndStream: true})
		for _, c := range block[1:] {
			_ = b.WriteContinuation(3, false, []byte{c})
		}
		_ = b.WriteContinuation(3, true, nil)
		b.expect("head 3 200", "data 3 ok end")
		_ = b.WriteGoAway(0, http2.ErrCodeNo, []byte("bye"))
		b.get(5, "/")
		b.expect("head 5 200", "data 5 ok end")
	})
}

// Wherever what comes is cut, it is the same frames.
func TestByteByByte(t *testing.T) {
	within(t, limits(), func(b *bed) {
		conn := b.conn
		b.Framer = http2.NewFramer(writer(func(p []byte) (int, error) {
			for i := range p {
				if _, err := conn.Write(p[i : i+1]); err != nil {
					return i, err
				}
			}
			return len(p), nil
		}), conn)
		b.open(1, "/upload")
		_ = b.WriteDataPadded(1, false, []byte("padded"), make([]byte, 7))
		_ = b.WriteData(1, true, []byte("end"))
		b.expect("head 1 200", "data 1 9 <nil> end")
	})
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
