package h2

// parser cuts what a client sends into frames. Of a frame that hasn't come whole it keeps no more
// than its header and a few of its fields, wherever it was cut.
type parser struct {
	stage stage
	// small has the first bytes of what is needed next.
	small [largestField]byte
	have  int
	need  int
	// frame is the current frame, left how much of its payload is to come, and padding how much of
	// that means nothing.
	frame         header
	left, padding int
}

// stage is what comes next.
type stage uint8

const (
	inPreface stage = iota
	inHeader
	// inFields: the fields of fixed size that a payload begins with.
	inFields
	// inPayload: the rest of the payload.
	inPayload
)

// largestField is the largest part of a payload that is needed in one piece: the value of a
// PRIORITY_UPDATE.
const largestField = 4 + maxPriorityValue

// frames is what takes the frames that a parser finds. Each returns why the connection must end;
// nil if it goes on.
type frames interface {
	// begin is called with a frame's header, and returns how many bytes of the payload go to
	// fields.
	begin(h *header) (need int, why *Fault)
	// fields gets those bytes, and again as many as it says. It returns how much padding ends the
	// payload.
	fields(h *header, b []byte) (padding, more int, why *Fault)
	// payload gets a part of what is between the fields and the padding.
	payload(h *header, p []byte) *Fault
	// endFrame is called when the frame has come whole.
	endFrame(h *header) *Fault
}

// isBetween reports whether a frame has ended and the next one hasn't begun.
func (in *parser) isBetween() bool { return in.stage == inHeader && in.have == 0 }

// parse parses what came.
func (in *parser) parse(p []byte, to frames) (why *Fault) {
	for why == nil && len(p) > 0 {
		switch in.stage {
		case inPreface:
			p, why = in.parsePreface(p)
		case inHeader:
			p, why = in.parseHeader(p, to)
		case inFields:
			p, why = in.parseFields(p, to)
		case inPayload:
			p, why = in.parsePayload(p, to)
		}
	}
	return why
}

func (in *parser) parsePreface(p []byte) ([]byte, *Fault) {
	n := min(len(p), len(Preface)-in.have)
	if string(p[:n]) != Preface[in.have:in.have+n] {
		return nil, &Fault{ProtocolError, "the connection doesn't begin with HTTP/2's preface"}
	}
	if in.have += n; in.have == len(Preface) {
		in.have, in.stage = 0, inHeader
	}
	return p[n:], nil
}

// collect takes what is needed into small, and returns it once it is complete.
func (in *parser) collect(p []byte, need int) (whole, rest []byte) {
	if in.have == 0 && len(p) >= need {
		return p[:need], p[need:]
	}
	n := copy(in.small[in.have:need], p)
	if in.have += n; in.have < need {
		return nil, p[n:]
	}
	in.have = 0
	return in.small[:need], p[n:]
}

func (in *parser) parseHeader(p []byte, to frames) ([]byte, *Fault) {
	whole, p := in.collect(p, headerSize)
	if whole == nil {
		return p, nil
	}
	h := &in.frame
	*h = parseHeader(whole)
	if h.length > maxFrame {
		return p, &Fault{FrameSizeError, "a frame is larger than SETTINGS_MAX_FRAME_SIZE"}
	}
	need, why := to.begin(h)
	if why == nil && need > h.length {
		why = &Fault{FrameSizeError, "a frame is too small for its fields"}
	}
	if why != nil {
		return p, why
	}
	in.left, in.padding, in.need = h.length, 0, need
	if need > 0 {
		in.stage = inFields
		return p, nil
	}
	return p, in.beginPayload(to)
}

func (in *parser) parseFields(p []byte, to frames) ([]byte, *Fault) {
	whole, p := in.collect(p, in.need)
	if whole == nil {
		return p, nil
	}
	in.left -= in.need
	padding, more, why := to.fields(&in.frame, whole)
	switch {
	case why != nil:
		return p, why
	case padding > in.left:
		return p, &Fault{ProtocolError, "a frame's padding is longer than the frame"}
	case more > 0 && more <= in.left:
		in.need = more
		return p, nil
	}
	in.padding = padding
	return p, in.beginPayload(to)
}

// beginPayload goes on behind the fields.
func (in *parser) beginPayload(to frames) *Fault {
	if in.left > 0 {
		in.stage = inPayload
		return nil
	}
	in.stage = inHeader
	return to.endFrame(&in.frame)
}

func (in *parser) parsePayload(p []byte, to frames) ([]byte, *Fault) {
	if n := min(len(p), in.left-in.padding); n > 0 {
		if why := to.payload(&in.frame, p[:n]); why != nil {
			return p, why
		}
		p, in.left = p[n:], in.left-n
	}
	n := min(len(p), in.left)
	p, in.left = p[n:], in.left-n
	return p, in.beginPayload(to)
}
