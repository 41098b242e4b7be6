package h2

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// wire is what a client sends behind its preface.
func wire(send func(f *http2.Framer, block func(pairs ...string) []byte)) []byte {
	var out, fields bytes.Buffer
	encoder := hpack.NewEncoder(&fields)
	f := http2.NewFramer(&out, nil)
	f.AllowIllegalWrites = true
	_ = f.WriteSettings()
	send(f, func(pairs ...string) []byte {
		fields.Reset()
		for i := 0; i < len(pairs); i += 2 {
			_ = encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		return bytes.Clone(fields.Bytes())
	})
	return out.Bytes()
}

// Whatever a client sends, and wherever it is cut, nothing panics, and nothing is left of it.
func FuzzFrames(f *testing.F) {
	f.Add(wire(func(f *http2.Framer, block func(...string) []byte) {
		head := block(":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/echo", "priority", "u=1, i")
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head[:3]})
		_ = f.WriteContinuation(1, true, head[3:])
		_ = f.WriteDataPadded(1, false, []byte("data"), make([]byte, 3))
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block("x", "y"), EndHeaders: true, EndStream: true})
	}), 7)
	f.Add(wire(func(f *http2.Framer, block func(...string) []byte) {
		_ = f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 5})
		_ = f.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: block(":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/send/100"),
			EndHeaders: true, EndStream: true, PadLength: 3, Priority: http2.PriorityParam{StreamDep: 9},
		})
		_ = f.WriteWindowUpdate(1, 50)
		_ = f.WritePing(false, [8]byte{1})
		_ = f.WriteRSTStream(1, http2.ErrCodeCancel)
		_ = f.WriteRawFrame(0x10, 0, 0, []byte("\x00\x00\x00\x01u=7"))
		_ = f.WriteGoAway(0, http2.ErrCodeNo, []byte("x"))
	}), 1)
	f.Fuzz(func(t *testing.T, sent []byte, cut int) {
		synctest.Test(t, func(t *testing.T) {
			b := start(t, limits())
			defer b.end()
			b.raw(Preface)
			if cut = min(max(cut, 1), len(sent)); cut < len(sent) {
				b.raw(string(sent[:cut]))
			}
			synctest.Wait()
			b.raw(string(sent[min(cut, len(sent)):]))
			synctest.Wait()
			assert.LessOrEqual(t, b.Stats().Streams, int64(2*limits().MaxStreams))
		})
	})
}

// Whatever a field block is, it is a request, or refused, or the connection's end.
func FuzzBlocks(f *testing.F) {
	f.Add([]byte("\x82\x84\x86\x41\x01x"), true)
	f.Add([]byte("\x20\x3f\xe1\x1f\x82\x84\x86\x41\x8a\x08\x9d\x5c\x0b\x81\x70\xdc\x78\x0f\x03"), false)
	f.Add([]byte("\x82\x84\x86\x41\x01x\x40\x01a\x01b\xbe\xbe\x10\x0econtent-length\x015"), true)
	f.Fuzz(func(t *testing.T, block []byte, end bool) {
		block = block[:min(len(block), maxFrame)]
		synctest.Test(t, func(t *testing.T) {
			b := start(t, limits())
			defer b.end()
			b.greet()
			_ = b.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true, EndStream: end})
			synctest.Wait()
			_ = b.WriteData(1, true, []byte("x"))
			assert.NotEmpty(t, b.next())
		})
	})
}

func TestParsePriority(t *testing.T) {
	for value, want := range map[string]priority{
		"": {3, false}, "u=0": {0, false}, "u=7, i": {7, true}, "i": {3, true}, "i=?1,u=5": {5, true}, "i=?0": {3, false},
		" i , u=2": {2, true}, "u=8": {3, false}, "u=10": {3, false}, "u=-1": {3, false}, "x=1;u=1, u=4;x": {4, false},
		"u=1.5": {3, false}, "u": {3, false}, "i=1": {3, false}, "u=1, u=2": {2, false}, "input": {3, false},
	} {
		assert.Equal(t, want, parsePriority(value), "%q", value)
		assert.Equal(t, want, parsePriority([]byte(value)), "%q", value)
	}
}
