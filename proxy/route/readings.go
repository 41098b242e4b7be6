package route

import "bytes"

// This file follows all readings of a path at once, as one follows a non-deterministic automaton.
// What a reading has come to is a state: the prefix that its segments make, and how many more
// segments are on top. Prefixes are a tree, so a .. goes to the parent, and nothing else of the
// past matters. Each occurrence of what readers differ about doubles the readings, but there are
// few states, and maxStates at most are followed. Beyond that the path counts as ambiguous, which
// takes many .. among many %2F. So the time is linear in the path's length.

// maxStates is how many states are followed.
const maxStates = 16

// state is what some readings of the beginning of a path have come to.
type state struct {
	at *node
	// over is how many segments there are beyond at. None of them is the next of a prefix.
	over int32
	// doomed is the lowest of those that a .. must remove, and 0 if there is none. It is an empty
	// segment, or a dot: such a one is merged in the end unless it was resolved before. Readings
	// that merge it at once go on without it.
	doomed int32
}

// states is a set.
type states struct {
	list [maxStates]state
	n    int
}

func (s *states) all() []state { return s.list[:s.n] }

// reader follows a path.
type reader struct {
	// sets[now] are the states before the next piece, the other set is for those behind it.
	sets [2]states
	now  int
	// open are the states of segments that go on for readers to which the slashes in them are none.
	// They may end at any later slash.
	open states
	// dots is how many .. are to come.
	dots   int32
	buffer [maxSegment]byte
	// lost reports that there were too many states.
	lost bool
}

// piece is a part of a path between two slashes, including those that are slashes for some only.
type piece struct {
	// text comes before the first ; of the piece, cut reports that there is one.
	text []byte
	cut  bool
	// definite reports that the slash behind it, or the path's end, is one for every reader.
	definite bool
}

// cutPiece cuts the first piece and the slash behind it off a path. more is false at its end.
func cutPiece(path []byte) (p piece, rest []byte, more bool) {
	p.text = path
	for i, c := range path {
		size := 1
		e, escaped := EscapeAt(path[i:])
		if escaped {
			c, size = e, 3
		}
		switch c {
		case ';':
			if !p.cut {
				p.text, p.cut = path[:i], true
			}
		case '/', '\\':
			if !p.cut {
				p.text = path[:i]
			}
			p.definite = c == '/' && !escaped
			return p, path[i+size:], true
		}
	}
	p.definite = true
	return p, nil, false
}

// agree reports whether f is true of the prefix that each reading of the path comes to. It must be
// true of the normal form's.
func (p *Path) agree(t *tree, f func(*node) bool) bool {
	if p.kind != pathTangled || t.root.children == nil {
		return true
	}
	r := reader{dots: countDots(p.raw)}
	r.add(&r.sets[0], state{at: &t.root})
	for rest, more := p.raw[1:], true; more && !r.lost; {
		var next piece
		next, rest, more = cutPiece(rest)
		r.read(&next)
	}
	for _, s := range r.sets[r.now].all() {
		if !f(s.at) {
			return false
		}
	}
	return !r.lost
}

// countDots is how many pieces of a path may be a "..".
func countDots(path []byte) (n int32) {
	for rest, more := path[1:], true; more; {
		var next piece
		next, rest, more = cutPiece(rest)
		if isParent(next.text) {
			n++
		}
	}
	return n
}

// isParent reports whether a piece is a "..", escaped or not.
func isParent(text []byte) bool {
	var buffer [maxSegment]byte
	return len(text) <= len("%2e%2e") && string(unescape(&buffer, text)) == ".."
}

// read goes over a piece.
func (r *reader) read(p *piece) {
	text := p.text
	if bytes.IndexByte(text, '%') >= 0 {
		text = unescape(&r.buffer, text)
	}
	if string(text) == ".." {
		r.dots--
	}
	next := &r.sets[1-r.now]
	next.n = 0
	if p.cut {
		// Readers that cut off what follows the ; see the piece's text, the others a segment that
		// is in no prefix. Both may go on behind a slash that isn't definite.
		r.push(&r.open, text)
		r.pushOther(&r.open)
		r.addAll(next, &r.open)
	} else {
		r.push(next, text)
		r.addAll(next, &r.open)
		if !p.definite {
			r.pushOther(&r.open)
		}
	}
	if p.definite {
		r.open.n = 0
	}
	r.now = 1 - r.now
}

// push adds what the present states come to with one more segment.
func (r *reader) push(to *states, segment []byte) {
	for _, s := range r.sets[r.now].all() {
		switch string(segment) {
		case "", ".":
			r.add(to, s)
			if s.over++; s.doomed == 0 {
				s.doomed = s.over
			}
			r.add(to, s)
		case "..":
			r.add(to, s.parent())
			s.over++ // It stays where it stands, for backends that resolve nothing.
			r.add(to, s)
		default:
			r.add(to, s.child(segment))
		}
	}
}

// pushOther adds what the present states come to with a segment that is in no prefix.
func (r *reader) pushOther(to *states) {
	for _, s := range r.sets[r.now].all() {
		s.over++
		r.add(to, s)
	}
}

func (s state) child(segment []byte) state {
	if s.over == 0 {
		if child := s.at.children[string(segment)]; child != nil {
			return state{at: child}
		}
	}
	s.over++
	return s
}

func (s state) parent() state {
	switch {
	case s.over == 0 && s.at.parent != nil:
		s.at = s.at.parent
	case s.over > 0:
		if s.over == s.doomed {
			s.doomed = 0
		}
		s.over--
	}
	return s
}

func (r *reader) addAll(to, from *states) {
	for _, s := range from.all() {
		r.add(to, s)
	}
}

// add adds a state, unless it is there. States that the .. to come can't tell apart are one, and
// one whose doomed segment they can't reach is no reading.
func (r *reader) add(to *states, s state) {
	if s.doomed > 0 && s.over-s.doomed >= r.dots {
		return
	}
	if beyond := s.over - r.dots - 1; beyond > 0 {
		s.over -= beyond
		s.doomed = max(0, s.doomed-beyond)
	}
	for _, known := range to.all() {
		if known == s {
			return
		}
	}
	if to.n == maxStates {
		r.lost = true
		return
	}
	to.list[to.n] = s
	to.n++
}
