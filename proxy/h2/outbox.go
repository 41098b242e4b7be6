package h2

import (
	"runtime"
	"slices"

	"gopher-equalizer/proxy/h1"
)

// outbox gathers frames until they are written. Whoever has some appends them. If nobody writes,
// they become the writer of all that is appended until there is no more. The connection's mu guards
// it.
type outbox struct {
	// b is what is to be written, in buffer unless it has outgrown that; both are nil while there
	// is nothing.
	b      []byte
	buffer *h1.Buffer
	// owed is how much of b answers frames of the client's.
	owed int
	// writing reports whether somebody writes.
	writing bool
	// waiting are those who have data and wait for room, or for the connection's window, and
	// granted the one of them that has it now.
	waiting []*Turn
	granted *Turn
}

const (
	// mostOut is how much is gathered before those who have data must wait.
	mostOut = len(h1.Buffer{})
	// leastData is the least room that data are split for.
	leastData = 2 << 10
	// mostWrites is after how many writes someone else goes on, since a writer has its own request.
	mostWrites = 8
)

// lend lends the memory that frames are appended to.
func (o *outbox) lend() {
	if o.b == nil {
		o.buffer = h1.GetBuffer()
		o.b = o.buffer[:0]
	}
}

// take takes out what is to be written.
func (o *outbox) take() (b []byte, buffer *h1.Buffer) {
	b, buffer = o.b, o.buffer
	o.b, o.buffer, o.owed = nil, nil, 0
	return b, buffer
}

// drop drops what wasn't written.
func (o *outbox) drop() {
	if _, buffer := o.take(); buffer != nil {
		h1.PutBuffer(buffer)
	}
}

// room is how many bytes of data there is room for, 0 if that are too few.
func (o *outbox) room() int {
	if n := mostOut - len(o.b) - headerSize; n >= leastData {
		return n
	}
	return 0
}

func (o *outbox) settings(all ...setting) {
	o.lend()
	o.b = appendSettings(o.b, all...)
}

func (o *outbox) acknowledge() {
	o.lend()
	o.b = appendHeader(o.b, 0, kindSettings, flagAck, 0)
	o.owed += headerSize
}

func (o *outbox) ping(flags uint8, data [8]byte) {
	o.lend()
	o.b = appendPing(o.b, flags, data)
	o.owed += headerSize + len(data)
}

func (o *outbox) reset(stream uint32, code Code) {
	o.lend()
	o.b = appendReset(o.b, stream, code)
	o.owed += headerSize + 4
}

func (o *outbox) windowUpdate(stream uint32, n int) {
	o.lend()
	o.b = appendWindowUpdate(o.b, stream, n)
	o.owed += headerSize + 4
}

func (o *outbox) goAway(last uint32, code Code, detail string) {
	o.lend()
	o.b = appendGoAway(o.b, last, code, detail)
}

func (o *outbox) data(stream uint32, data []byte, flags uint8) {
	o.lend()
	o.b = appendHeader(o.b, len(data), kindData, flags, stream)
	o.b = append(o.b, data...)
}

// beginHeaders begins a field section, whose fields are appended to b next, and endHeaders ends
// what began at start: it is split where a frame has more than mostFrame bytes.
func (o *outbox) beginHeaders() (start int) {
	o.lend()
	start = len(o.b)
	o.b = append(o.b, make([]byte, headerSize)...)
	return start
}

func (o *outbox) endHeaders(start int, stream uint32, flags uint8, mostFrame int) {
	k := kindHeaders
	for {
		size := len(o.b) - start - headerSize
		if size <= mostFrame {
			appendHeader(o.b[start:start], size, k, flags|flagEndHeaders, stream)
			return
		}
		appendHeader(o.b[start:start], mostFrame, k, flags, stream)
		start += headerSize + mostFrame
		o.b = slices.Insert(o.b, start, make([]byte, headerSize)...)
		k, flags = kindContinuation, 0
	}
}

// flush has what was appended be written, by the caller or by whoever writes. The caller holds mu,
// which it hasn't in between.
func (c *connection) flush() {
	if c.out.writing || len(c.out.b) == 0 || c.lost {
		return
	}
	c.out.writing = true
	if c.streams.n > 1 { // Others that are ready append theirs.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	c.write()
}

// flushElsewhere is flush for those who must not wait. The caller holds mu.
func (c *connection) flushElsewhere() {
	if c.out.writing || len(c.out.b) == 0 || c.lost {
		return
	}
	c.out.writing = true
	go c.goOnWriting()
}

func (c *connection) goOnWriting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write()
}

// write writes until there is no more. The caller holds mu, which it hasn't in between, and has set
// writing.
func (c *connection) write() {
	for writes := 0; len(c.out.b) > 0 && !c.lost; writes++ {
		if writes == mostWrites {
			go c.goOnWriting()
			return
		}
		b, buffer := c.out.take()
		c.mu.Unlock()
		_, err := c.client.WriteAll(b)
		h1.PutBuffer(buffer)
		c.mu.Lock()
		if err != nil {
			c.lose(err)
			c.client.Wake()
		}
		c.grant()
	}
	c.out.writing = false
	c.checkEnded()
}

// mayWrite reports whether there is room and window for data. The caller holds mu.
func (c *connection) mayWrite() bool { return c.out.room() > 0 && c.sendWindow > 0 }

// grant has the first of those that wait go on, if it can. The caller holds mu.
func (c *connection) grant() {
	o := &c.out
	if o.granted != nil || len(o.waiting) == 0 || !c.mayWrite() {
		return
	}
	i := o.best()
	o.granted = o.waiting[i]
	o.waiting = slices.Delete(o.waiting, i, i+1)
	o.granted.writable.wake()
}

// best is which of those that wait comes next: of the most urgent ones, the one that has waited
// longest. If that isn't incremental, it is the first of those that aren't either.
func (o *outbox) best() (best int) {
	for i, t := range o.waiting {
		b := o.waiting[best]
		if t.stream.urgency < b.stream.urgency {
			best = i
		}
	}
	if o.waiting[best].stream.incremental {
		return best
	}
	for i, t := range o.waiting {
		s, b := t.stream, o.waiting[best].stream
		if s.urgency == b.urgency && !s.incremental && s.id < b.id {
			best = i
		}
	}
	return best
}

// forsake has a turn wait no more, and give what it was granted to the next one. The caller holds
// mu.
func (c *connection) forsake(t *Turn) {
	o := &c.out
	if o.granted == t {
		o.granted = nil
	} else if i := slices.Index(o.waiting, t); i >= 0 {
		o.waiting = slices.Delete(o.waiting, i, i+1)
	}
	c.grant()
}
