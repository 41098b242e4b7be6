//go:build linux

package h2

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/bench/lab/h2/raw"
)

// flood is a kind of attack: the same again and again, on each connection as often as the server
// bears it.
type flood struct {
	name     string
	settings []http2.Setting
	// begin begins on a connection, if that is needed, and act is what is done so many times.
	begin func(*flooder) error
	act   func(*flooder) error
	times int
	// borne is whether a server may bear it, since it costs the client as much.
	borne bool
	// deaf clients read nothing.
	deaf bool
	// few is how often a control does it, which bears all, or has its memory filled.
	few int
}

// flooder is a client that floods.
type flooder struct {
	*raw.Conn
	stream uint32 // for those that need one, begin opens it

	mu    sync.Mutex
	moved *sync.Cond
	// windows are what may be sent on the connection and on the stream.
	windows [2]int64
	through bool  // the server has come to the end of the flood
	ended   error // of reading
}

func newFlooder(c *raw.Conn) *flooder {
	f := &flooder{Conn: c, windows: [2]int64{c.Window, 65535}}
	if window, given := c.Settings[http2.SettingInitialWindowSize]; given {
		f.windows[1] = int64(window)
	}
	f.moved = sync.NewCond(&f.mu)
	return f
}

// listen reads to the end of the connection. A flooder notes windows, and nothing else.
func (f *flooder) listen() {
	for {
		frame, err := f.ReadFrame()
		f.mu.Lock()
		switch frame := frame.(type) {
		case *http2.WindowUpdateFrame:
			f.windows[min(frame.StreamID, 1)] += int64(frame.Increment)
		case *http2.GoAwayFrame:
			_ = f.Note(frame) // It has no error.
		case *http2.PingFrame:
			f.through = f.through || frame.Data == theEnd
		}
		var odd http2.StreamError
		if err != nil && !errors.As(err, &odd) {
			f.ended = err
		}
		f.moved.Broadcast()
		over := f.ended != nil
		f.mu.Unlock()
		if over {
			return
		}
	}
}

// spend waits until so much may be sent, as flow control has it.
func (f *flooder) spend(n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for min(f.windows[0], f.windows[1]) < n {
		if f.ended != nil {
			return f.ended
		}
		f.mu.Unlock()
		err := f.Flush()
		f.mu.Lock()
		if err != nil {
			return err
		}
		if min(f.windows[0], f.windows[1]) < n && f.ended == nil {
			f.moved.Wait()
		}
	}
	f.windows[0] -= n
	f.windows[1] -= n
	return nil
}

// upload opens a stream whose body is to come.
func (f *flooder) upload() (err error) {
	f.stream, err = f.Open(false, post("/count")...)
	return err
}

// unended opens a header block without an end.
func (f *flooder) unended() error {
	f.stream = f.Next()
	block := f.Block(get("/")...)
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.stream, BlockFragment: block, EndStream: true})
}

// doomed opens a stream that is whole from the client's side, and then makes the server reset it.
func doomed(fault func(f *flooder, stream uint32) error) func(*flooder) error {
	return func(f *flooder) error {
		stream, err := f.Open(true, get("/hold")...)
		if err == nil {
			err = fault(f, stream)
		}
		return err
	}
}

// Blocks of HPACK that are small, and large once they are decoded.
const (
	indexed    = 0x80 // a reference to a table's entry
	newest     = 62   // the first of the dynamic table
	references = 16000
)

// remember has the server put a field into its table, which is the newest there.
func remember(name, value string) func(*flooder) error {
	return func(f *flooder) error {
		stream := f.Next()
		block := append([]byte(nil), f.Block(get("/")...)...)
		block = append(block, f.Block(hpack.HeaderField{Name: name, Value: value})...)
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndStream: true, EndHeaders: true})
	}
}

// refer sends a request that refers to the newest entry so many times.
func refer(path string) func(*flooder) error {
	tail := []byte(strings.Repeat(string([]byte{indexed | newest}), references))
	return func(f *flooder) error {
		// Literals that aren't indexed leave the newest entry where it is.
		var block []byte
		for _, field := range get(path) {
			field.Sensitive = true
			block = append(block, f.Block(field)...)
		}
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: f.Next(), BlockFragment: append(block, tail...), EndStream: true, EndHeaders: true})
	}
}

// floods are those that a server must survive.
func floods() []flood {
	const many = 30_000
	reset := func(f *flooder, stream uint32) error { return f.WriteRSTStream(stream, http2.ErrCodeCancel) }
	shut := []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}
	all := []flood{
		{name: "rapid reset", act: doomed(reset)},
		{name: "rapid reset behind a byte of a body", act: func(f *flooder) error {
			stream, err := f.Open(false, post("/hold")...)
			if err == nil {
				err = f.WriteData(stream, false, []byte("x"))
			}
			return errors.Join(err, reset(f, stream))
		}},
		{name: "made to reset, by a window of nothing", act: doomed(func(f *flooder, stream uint32) error {
			return f.WriteRawFrame(http2.FrameWindowUpdate, 0, stream, make([]byte, 4))
		})},
		{name: "made to reset, by a window too large", act: doomed(func(f *flooder, stream uint32) error {
			return errors.Join(f.WriteWindowUpdate(stream, 1<<31-1), f.WriteWindowUpdate(stream, 1<<31-1))
		})},
		{name: "made to reset, by a short PRIORITY", act: doomed(func(f *flooder, stream uint32) error {
			return f.WriteRawFrame(http2.FramePriority, 0, stream, make([]byte, 4))
		})},
		{name: "made to reset, by a dependency on itself", act: doomed(func(f *flooder, stream uint32) error {
			return f.WritePriority(stream, http2.PriorityParam{StreamDep: stream})
		})},
		{name: "made to reset, by HEADERS behind the end", act: doomed(func(f *flooder, stream uint32) error {
			return f.Headers(stream, true, get("/")...)
		})},
		{name: "made to reset, by DATA behind the end", act: doomed(func(f *flooder, stream uint32) error {
			return f.WriteData(stream, false, []byte("x"))
		})},
		{name: "CONTINUATION", begin: (*flooder).unended, act: func(f *flooder) error {
			return f.WriteContinuation(f.stream, false, f.Block(hpack.HeaderField{Name: "a", Value: strings.Repeat("x", 10_000), Sensitive: true}))
		}, times: 10_000},
		{name: "CONTINUATION of nothing", begin: (*flooder).unended, act: func(f *flooder) error {
			return f.WriteContinuation(f.stream, false, nil)
		}},
		{name: "HPACK bomb", begin: remember("a", strings.Repeat("x", 3900)), act: refer("/"), few: 1, borne: true},
		{name: "field-count bomb", settings: shut, begin: remember("a", ""), act: refer("/large"), few: 25, borne: true},
		{name: "field-count bomb of crumbs", settings: shut, begin: remember("cookie", ""), act: refer("/large"), few: 25, borne: true},
		{name: "SETTINGS", act: func(f *flooder) error { return f.WriteSettings() }},
		{name: "SETTINGS, deaf", deaf: true, act: func(f *flooder) error { return f.WriteSettings() }},
		{name: "PING", act: func(f *flooder) error { return f.WritePing(false, [8]byte{}) }},
		{name: "PING, deaf", deaf: true, act: func(f *flooder) error { return f.WritePing(false, [8]byte{}) }},
		{name: "PRIORITY", act: func(f *flooder) error {
			return f.WritePriority(f.Next(), http2.PriorityParam{Weight: 1})
		}},
		{name: "PRIORITY_UPDATE", act: func(f *flooder) error { return f.WritePriorityUpdate(f.Next(), "u=1") }},
		{name: "WINDOW_UPDATE", act: func(f *flooder) error { return f.WriteWindowUpdate(0, 1) }},
		{name: "WINDOW_UPDATE for a byte", settings: shut, begin: func(f *flooder) (err error) {
			f.stream, err = f.Open(true, get("/large")...)
			return err
		}, act: func(f *flooder) error { return f.WriteWindowUpdate(f.stream, 1) }},
		{name: "empty DATA", begin: (*flooder).upload, act: func(f *flooder) error { return f.WriteData(f.stream, false, nil) }},
		{name: "padding", begin: (*flooder).upload, act: func(f *flooder) error {
			if err := f.spend(256); err != nil {
				return err
			}
			return f.WriteDataPadded(f.stream, false, nil, make([]byte, 255))
		}},
		{name: "unknown frames", act: func(f *flooder) error { return f.WriteRawFrame(0xfa, 0, 0, nil) }},
	}
	for i := range all {
		if all[i].times == 0 {
			all[i].times = many
		}
		if all[i].few == 0 {
			all[i].few = 1000
		}
	}
	return all
}

// outcome is how a connection of a flood ended.
type outcome struct {
	done int // how often it was done
	// all means that the server bore all of it.
	all bool
	// goAway is what it said; nil for nothing.
	goAway *raw.GoAway
}

func (o outcome) String() string {
	said := "without a word"
	if o.goAway != nil {
		said = fmt.Sprintf("with %s: %q", o.goAway.Code, o.goAway.Why)
	}
	if o.all {
		said = "never"
	}
	return fmt.Sprintf("%d times, ended %s", o.done, said)
}

// theEnd is the PING behind a flood.
var theEnd = [8]byte{'t', 'h', 'e', ' ', 'e', 'n', 'd', '.'}

// run floods on a connection, which it closes.
func (k flood) run(c *raw.Conn, times int) (o outcome) {
	f := newFlooder(c)
	var listening sync.WaitGroup
	if !k.deaf {
		listening.Go(f.listen)
	}
	err := f.flood(k, times, &o)
	if k.deaf {
		listening.Go(f.listen) // What it couldn't send back comes now, and then the answer or the end.
	}
	if err == nil {
		f.awaitEnd()
	}
	_ = c.Close()
	listening.Wait()
	o.all, o.goAway = f.through, f.GoAway
	return o
}

// awaitEnd waits until the server has read all of the flood, or has ended the connection.
func (f *flooder) awaitEnd() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.through && f.ended == nil {
		f.moved.Wait()
	}
}

func (f *flooder) flood(k flood, times int, o *outcome) error {
	if k.begin != nil {
		if err := k.begin(f); err != nil {
			return err
		}
	}
	for range times {
		if err := k.act(f); err != nil {
			return err
		}
		o.done++
	}
	return errors.Join(f.WritePing(false, theEnd), f.Flush())
}
