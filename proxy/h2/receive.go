package h2

import (
	"encoding/binary"

	"gopher-equalizer/proxy/netconn"
)

// This file takes the frames that a connection's parser finds, except for those of heads: see
// block.go. It is the frames of a connection.

// begin takes a frame's header.
func (c *connection) begin(h *header) (need int, why *Fault) {
	c.submitLone()
	if !c.greeted && (h.kind != kindSettings || h.has(flagAck)) {
		return 0, &Fault{ProtocolError, "the first frame is not SETTINGS"}
	}
	if c.block.coming && (h.kind != kindContinuation || h.stream != c.block.stream) {
		return 0, &Fault{ProtocolError, "a frame comes in the midst of a head"}
	}
	switch h.kind {
	case kindData:
		return c.beginData(h)
	case kindHeaders:
		return c.beginHeaders(h)
	case kindContinuation:
		return 0, c.beginContinuation(h)
	case kindPushPromise:
		return 0, &Fault{ProtocolError, "a client can't promise"}
	case kindSettings, kindPing, kindGoAway:
		if h.stream != 0 {
			return 0, &Fault{ProtocolError, "a frame of the connection comes on a stream"}
		}
	case kindPriority, kindReset:
		if h.stream == 0 {
			return 0, &Fault{ProtocolError, "a frame of a stream comes on none"}
		}
	}
	return needs(h)
}

// needs is how many bytes of fixed fields a frame begins with that has no other payload, or one
// that isn't used.
func needs(h *header) (need int, why *Fault) {
	exactly := false
	switch h.kind {
	case kindPriority:
		need, exactly = 5, true
	case kindReset, kindWindowUpdate:
		need, exactly = 4, true
	case kindPing:
		need, exactly = 8, true
	case kindGoAway:
		need = 8
	case kindPriorityUpdate:
		need = 4
		if h.stream != 0 {
			return 0, &Fault{ProtocolError, "a frame of the connection comes on a stream"}
		}
		if h.length <= largestField {
			need = max(need, h.length)
		}
	case kindSettings:
		switch {
		case h.has(flagAck) && h.length > 0, h.length%settingSize > 0:
			return 0, &Fault{FrameSizeError, "SETTINGS of a size that it can't have"}
		case h.length > 0:
			need = settingSize
		}
	}
	if exactly && h.length != need {
		return 0, &Fault{FrameSizeError, "a frame of a size that its kind can't have"}
	}
	return need, nil
}

// settingSize is the size of one of a SETTINGS frame's.
const settingSize = 6

// fields takes a frame's fields.
func (c *connection) fields(h *header, b []byte) (padding, more int, why *Fault) {
	switch h.kind {
	case kindData:
		padding = int(b[0])
		return padding, 0, c.beginPadding(h, padding)
	case kindHeaders:
		return c.headersFields(h, b)
	case kindSettings:
		return 0, settingSize, c.takeSetting(binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:]))
	case kindPriority:
		return 0, 0, c.takePriority(h, id(b))
	case kindReset:
		return 0, 0, c.takeReset(h)
	case kindPing:
		return 0, 0, c.takePing(h, [8]byte(b))
	case kindWindowUpdate:
		return 0, 0, c.takeWindowUpdate(h, int(id(b)))
	case kindPriorityUpdate:
		return 0, 0, c.takePriorityUpdate(id(b), b[4:])
	}
	return 0, 0, nil
}

// payload takes a part of a frame's payload.
func (c *connection) payload(h *header, p []byte) *Fault {
	switch h.kind {
	case kindData:
		return c.takeData(h, p)
	case kindHeaders, kindContinuation:
		return c.takeFragment(p)
	}
	return nil
}

// endFrame takes a frame's end.
func (c *connection) endFrame(h *header) *Fault {
	switch h.kind {
	case kindData:
		return c.endData(h)
	case kindHeaders, kindContinuation:
		if h.has(flagEndHeaders) {
			return c.endBlock()
		}
	case kindSettings:
		return c.endSettings(h)
	case kindGoAway, kindPriority, kindReset, kindPing, kindWindowUpdate, kindPriorityUpdate:
	default:
		return c.odd(oddUnknown)
	}
	return nil
}

// odd notes an oddity. The caller doesn't hold mu.
func (c *connection) odd(o oddity) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.charge(o)
}

// charge notes an oddity. Past a bound the connection takes no more requests, past another one it
// ends. The caller holds mu.
func (c *connection) charge(o oddity) *Fault {
	c.server.counters.oddities[o].Add(1)
	switch weight := c.account.charge(o, c.client.Now()); {
	case weight > mostOdd:
		return &Fault{EnhanceYourCalm, "too much that is of no use: mostly " + c.account.most()}
	case weight > oddEnough:
		c.leave()
	}
	return nil
}

// isIdle reports whether a stream hasn't begun. The caller holds mu, or is the reader.
func (c *connection) isIdle(stream uint32) bool { return stream > c.lastID || stream%2 == 0 }

// beginData takes the header of DATA, whose payload counts for flow control whole (RFC 9113,
// section 6.9.1).
func (c *connection) beginData(h *header) (need int, why *Fault) {
	if h.has(flagPadded) {
		need = 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case h.stream == 0:
		return 0, &Fault{ProtocolError, "DATA come on no stream"}
	case c.isIdle(h.stream):
		return 0, &Fault{ProtocolError, "DATA come on a stream that hasn't begun"}
	case h.length > c.recvWindow:
		return 0, &Fault{FlowControlError, "DATA exceed the connection's window"}
	}
	c.recvWindow -= h.length
	s := c.streams.find(h.stream)
	c.dropping = s == nil || s.broken != nil || s.endedIn || h.length > s.recvWindow
	switch {
	case !c.dropping:
		s.recvWindow -= h.length
		c.unsay(s, need)
		return need, nil
	case s != nil && s.broken == nil && !s.endedIn:
		why = c.streamError(s, &Fault{FlowControlError, "DATA exceed the stream's window"})
	default:
		why = c.strayData(h, s)
	}
	c.unsay(nil, h.length)
	return need, why
}

// strayData takes DATA for a stream that takes none. Those that were on their way when we reset the
// stream are no fault.
func (c *connection) strayData(h *header, s *stream) *Fault {
	if i := c.remnants.find(h.stream); i >= 0 {
		return c.dropData(i, h)
	}
	switch known, ours := c.past.find(h.stream); {
	case s != nil && s.broken == nil: // It has ended on the client's side.
		return c.streamError(s, &Fault{StreamClosed, "DATA come behind the end of a stream"})
	case known && ours:
		return nil
	}
	c.out.reset(h.stream, StreamClosed)
	return c.charge(oddClosed)
}

// beginPadding takes the length of padding, which needn't be read by anybody.
func (c *connection) beginPadding(h *header, padding int) *Fault {
	if padding >= h.length {
		return &Fault{ProtocolError, "a frame's padding is longer than the frame"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dropping {
		c.unsay(c.receiver(h), padding)
	}
	return nil
}

// receiver is the stream that takes the DATA of a frame; nil if they are dropped.
func (c *connection) receiver(h *header) *stream {
	if s := c.streams.find(h.stream); s != nil && s.broken == nil && !s.endedIn {
		return s
	}
	return nil
}

// takeData takes data, or drops them if the stream broke meanwhile.
func (c *connection) takeData(h *header, p []byte) *Fault {
	if c.dropping {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.receiver(h)
	if s == nil {
		c.unsay(nil, len(p))
		return nil
	}
	s.came += int64(len(p))
	if s.length != unknownLength && s.came > s.length {
		c.unsay(nil, len(p))
		return c.streamError(s, &Fault{ProtocolError, "more DATA than content-length says"})
	}
	s.in.add(p)
	if s.turn != nil {
		s.turn.readable.wake()
	}
	return nil
}

// endData takes the end of DATA.
func (c *connection) endData(h *header) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.receiver(h)
	if s == nil {
		return nil
	}
	data := h.length
	if h.has(flagPadded) {
		data -= 1 + c.parser.padding
	}
	if data > 0 {
		c.account.moved(data)
	}
	switch {
	case h.has(flagEndStream):
		return c.endIn(s)
	case data == 0:
		return c.charge(oddEmptyData)
	}
	return nil
}

// endIn takes the end of a request's body. A client that has got a part of the response may give up
// the rest of the body, as curl does if the status is an error. Then only whoever reads the body
// fails. The caller holds mu.
func (c *connection) endIn(s *stream) (why *Fault) {
	if s.length != unknownLength && s.came < s.length {
		s.short = &Fault{ProtocolError, "fewer DATA than content-length says"}
		if s.turn == nil || !s.turn.started {
			return c.streamError(s, s.short)
		}
		why = c.charge(oddStreamError)
	}
	s.endedIn = true
	if s.endedOut {
		c.closed(s, false)
	}
	if s.turn != nil {
		s.turn.readable.wake()
	}
	return why
}

// unsay notes that the client may send n bytes more, on a stream if that isn't nil, and tells it so
// once it is worth a frame. The caller holds mu.
func (c *connection) unsay(s *stream, n int) {
	if c.failed != nil || c.lost {
		return
	}
	if c.unsaid += n; c.unsaid >= c.limits.ConnWindow/2 {
		c.out.windowUpdate(0, c.unsaid)
		c.recvWindow += c.unsaid
		c.unsaid = 0
	}
	if s == nil || s.endedIn || s.broken != nil {
		return
	}
	if s.unsaid += n; s.unsaid >= c.limits.StreamWindow/2 {
		c.out.windowUpdate(s.id, s.unsaid)
		s.recvWindow += s.unsaid
		s.unsaid = 0
	}
}

// takeSetting takes one of the client's settings.
func (c *connection) takeSetting(setting uint16, value uint32) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch setting {
	case settingTableSize:
		c.BoundTable(value)
	case settingEnablePush:
		if value > 1 {
			return &Fault{ProtocolError, "SETTINGS_ENABLE_PUSH is neither 0 nor 1"}
		}
	case settingInitialWindow:
		if value > maxWindow {
			return &Fault{FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE is too large"}
		}
		return c.changeWindows(int(value) - c.firstSend)
	case settingMaxFrame:
		if value < maxFrame || value >= 1<<24 {
			return &Fault{ProtocolError, "SETTINGS_MAX_FRAME_SIZE is out of its bounds"}
		}
	}
	return nil
}

// changeWindows has all streams' windows be larger, or smaller (RFC 9113, section 6.9.2).
func (c *connection) changeWindows(by int) (why *Fault) {
	c.firstSend += by
	c.streams.each(func(s *stream) {
		if s.sendWindow += by; s.sendWindow > maxWindow {
			why = &Fault{FlowControlError, "a stream's window is too large"}
		}
		if by > 0 && s.turn != nil {
			s.turn.writable.wake()
		}
	})
	return why
}

// endSettings takes the end of SETTINGS, and acknowledges them.
func (c *connection) endSettings(h *header) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.has(flagAck) {
		c.settingsDue = 0
		return nil
	}
	c.out.acknowledge()
	if !c.greeted {
		c.greeted = true
		return nil
	}
	return c.charge(oddSettings)
}

// takePriority takes a PRIORITY, which RFC 9113 has no use for.
func (c *connection) takePriority(h *header, dependsOn uint32) *Fault {
	if dependsOn == h.stream {
		return &Fault{ProtocolError, "a stream depends on itself"}
	}
	return c.odd(oddPriority)
}

// takePriorityUpdate takes a PRIORITY_UPDATE. One for a stream that hasn't come is dropped: its
// head may say the same.
func (c *connection) takePriorityUpdate(stream uint32, value []byte) *Fault {
	if stream == 0 {
		return &Fault{ProtocolError, "a priority of no stream"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams.find(stream); s != nil && len(value) > 0 {
		s.priority = parsePriority(value)
	}
	return c.charge(oddPriority)
}

// takeReset takes a RST_STREAM.
func (c *connection) takeReset(h *header) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isIdle(h.stream) {
		return &Fault{ProtocolError, "RST_STREAM comes on a stream that hasn't begun"}
	}
	if i := c.remnants.find(h.stream); i >= 0 {
		c.endRemnant(i, false)
		return nil
	}
	s := c.streams.find(h.stream)
	if s == nil || s.broken != nil || s.endedOut && s.endedIn {
		return c.charge(oddClosed)
	}
	c.server.counters.reset.Add(1)
	c.breakOff(s, errReset)
	c.closed(s, false)
	return c.charge(oddReset)
}

// takePing takes a PING, and returns it.
func (c *connection) takePing(h *header, data [8]byte) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.has(flagAck) {
		if data == leavePing {
			c.leaveAcknowledged()
		}
		return nil
	}
	c.out.ping(flagAck, data)
	if c.account.isAnswer() {
		return nil
	}
	return c.charge(oddPing)
}

// takeWindowUpdate takes a WINDOW_UPDATE.
func (c *connection) takeWindowUpdate(h *header, n int) *Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.stream == 0 {
		return c.widen(n)
	}
	if c.isIdle(h.stream) {
		return &Fault{ProtocolError, "WINDOW_UPDATE comes on a stream that hasn't begun"}
	}
	s := c.streams.find(h.stream)
	switch {
	case s == nil || s.broken != nil || s.endedOut: // Often the response has just ended.
		if c.account.isAnswer() {
			return nil
		}
		return c.charge(oddClosed)
	case n == 0:
		return c.streamError(s, &Fault{ProtocolError, "WINDOW_UPDATE by nothing"})
	case s.sendWindow > maxWindow-n:
		return c.streamError(s, &Fault{FlowControlError, "a stream's window is too large"})
	}
	before := s.sendWindow
	s.sendWindow += n
	if s.turn != nil {
		s.turn.writable.wake()
	}
	return c.chargeWindow(n, before)
}

// widen widens the connection's window.
func (c *connection) widen(n int) *Fault {
	switch {
	case n == 0:
		return &Fault{ProtocolError, "WINDOW_UPDATE by nothing"}
	case c.sendWindow > maxWindow-n:
		return &Fault{FlowControlError, "the connection's window is too large"}
	}
	before := c.sendWindow
	c.sendWindow += n
	c.grant()
	return c.chargeWindow(n, before)
}

// chargeWindow notes a WINDOW_UPDATE by n, for a window that had been so large. One that opens a
// window by little is odd even if it is for data: it has us send little at a time.
func (c *connection) chargeWindow(n, before int) *Fault {
	if n >= smallWindow || before >= smallWindow && c.account.isAnswer() {
		return nil
	}
	return c.charge(oddSmallWindow)
}

var _ netconn.Several = (*connection)(nil)
