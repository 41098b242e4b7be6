package h2

import (
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/net/http2/hpack"
)

// decoder decodes field blocks (RFC 7541). Package hpack's makes a string of each name and value
// that comes; this one has them all in one piece of memory, which serves the next block. Huffman's
// code is that package's.
type decoder struct {
	// emit gets the fields. Its strings are views, and stay good until the next block begins.
	emit func(name, value string)
	// most is how long a name or a value may be as it comes.
	most int
	// left is how much larger the block's list may be, as RFC 9113, section 6.5.2, counts it.
	// Beyond it, and in a block that nobody wants, muted has no field be emitted.
	left  int
	muted bool
	// text has the names and values of the table's entries, and those of the block.
	text []byte
	// entries[first:] are the dynamic table's, the oldest first, size is how large it is, and bound
	// how large it may be.
	entries            []entry
	first, size, bound int
	// rest is the beginning of a field, whose end hasn't come.
	rest []byte
	// begun reports whether a field has come in the block, so that no change of the table's size
	// may.
	begun bool
}

// entry is a field of the dynamic table: where its name begins in text, followed by its value.
type entry struct{ start, name, value int }

func (e *entry) end() int  { return e.start + e.name + e.value }
func (e *entry) size() int { return e.name + e.value + fieldOverhead }

const (
	// tableSize is how large a dynamic table may be, both ways.
	tableSize = 4 << 10
	// fieldOverhead is what a field counts besides its name and its value (RFC 7541, section 4.1).
	fieldOverhead = 32
	// spareText is how much of text may be of no use before what is of use is moved, and
	// keptText how much memory is kept for it.
	spareText, keptText = 1 << 10, 4 * tableSize
)

// Why a block can't be decoded.
var (
	errTooLong  = errors.New("a name or a value is too long")
	errIndex    = errors.New("an index that is in neither table")
	errInteger  = errors.New("an integer is too large")
	errResize   = errors.New("a change of the table's size that is too large, or comes behind a field")
	errCutShort = errors.New("the block ends within a field")
	// errMore is the error of a field that hasn't come whole.
	errMore = errors.New("more is to come")
)

func newDecoder(most int, emit func(name, value string)) *decoder {
	return &decoder{emit: emit, most: most, bound: tableSize}
}

// begin begins a block. Its fields are emitted until its list is larger than limit; the one with
// which it is comes, too. A limit of 0 has none come.
func (d *decoder) begin(limit int) {
	d.left, d.muted, d.begun = limit, limit == 0, false
	switch {
	case !d.wastes():
	case cap(d.text) > keptText:
		d.move(make([]byte, 0, 2*d.size))
	default:
		d.move(d.text[:0])
	}
}

// decode decodes a part of a block.
func (d *decoder) decode(p []byte) error {
	kept := len(d.rest) > 0
	if kept {
		d.rest = append(d.rest, p...)
		p = d.rest
	}
	for taken := 0; ; {
		n, err := 0, errMore
		if len(p) > taken {
			n, err = d.field(p[taken:])
		}
		switch {
		case err == nil:
			taken += n
			continue
		case err != errMore:
			return err
		case kept && taken == 0:
		default:
			d.rest = append(d.rest[:0], p[taken:]...)
		}
		return nil
	}
}

// end ends a block.
func (d *decoder) end() error {
	cut := len(d.rest) > 0
	if d.rest = d.rest[:0]; cap(d.rest) > spareText {
		d.rest = nil
	}
	if cut {
		return errCutShort
	}
	return nil
}

// field decodes what p begins with: a field, or a change of the table's size. It returns how long
// that is. With errMore nothing has changed.
func (d *decoder) field(p []byte) (n int, err error) {
	switch b := p[0]; {
	case b >= 0x80:
		i, n, err := integer(p, 7)
		if err != nil {
			return 0, err
		}
		name, value, ok := d.at(i)
		if !ok {
			return 0, errIndex
		}
		d.pass(name, value)
		return n, nil
	case b >= 0x40:
		return d.literal(p, 6, true)
	case b >= 0x20:
		return d.resize(p)
	}
	return d.literal(p, 4, false)
}

// literal decodes a field whose value, and perhaps whose name, comes as text.
func (d *decoder) literal(p []byte, prefix int, indexed bool) (n int, err error) {
	i, n, err := integer(p, prefix)
	if err != nil {
		return 0, err
	}
	var name, value encoded
	known, _, ok := d.at(i)
	if i == 0 {
		if name, n, err = d.literalText(p, n); err != nil {
			return 0, err
		}
	} else if !ok {
		return 0, errIndex
	}
	if value, n, err = d.literalText(p, n); err != nil {
		return 0, err
	}
	if d.muted && !indexed {
		d.begun = true
		return n, nil
	}
	start := len(d.text)
	switch {
	case i == 0:
		err = d.append(name)
	case indexed: // The entry that the name is from may leave the table.
		d.text = append(d.text, known...)
	}
	middle := len(d.text)
	if err == nil {
		err = d.append(value)
	}
	if err != nil {
		return 0, err
	}
	if i == 0 || indexed {
		known = d.view(start, middle)
	}
	d.pass(known, d.view(middle, len(d.text)))
	if indexed {
		d.add(entry{start, middle - start, len(d.text) - middle})
	}
	return n, nil
}

// pass emits a field, unless the list is too large before it.
func (d *decoder) pass(name, value string) {
	d.begun = true
	if d.muted {
		return
	}
	d.left -= len(name) + len(value) + fieldOverhead
	d.muted = d.left < 0
	d.emit(name, value)
}

// resize changes the table's size (RFC 7541, section 6.3).
func (d *decoder) resize(p []byte) (n int, err error) {
	size, n, err := integer(p, 5)
	switch {
	case err != nil:
		return 0, err
	case d.begun, size > tableSize:
		return 0, errResize
	}
	d.bound = size
	d.evict(0)
	return n, nil
}

// at returns a field of the tables; ok is false if there is none.
func (d *decoder) at(i int) (name, value string, ok bool) {
	dynamic := d.entries[d.first:]
	switch {
	case i == 0, i > len(staticTable)+len(dynamic):
		return "", "", false
	case i <= len(staticTable):
		return staticTable[i-1][0], staticTable[i-1][1], true
	}
	e := &dynamic[len(dynamic)-(i-len(staticTable))] // The newest one comes first.
	return d.view(e.start, e.start+e.name), d.view(e.start+e.name, e.end()), true
}

// add adds an entry to the table, if there is room for it at all.
func (d *decoder) add(e entry) {
	d.evict(e.size())
	if e.size() <= d.bound {
		d.entries = append(d.entries, e)
		d.size += e.size()
	}
	if d.muted && d.wastes() { // Those that were emitted before keep their memory.
		d.move(make([]byte, 0, 2*d.size))
	}
}

// evict makes room in the table, from its oldest entries on.
func (d *decoder) evict(room int) {
	for d.first < len(d.entries) && d.size+room > d.bound {
		d.size -= d.entries[d.first].size()
		d.first++
	}
}

// wastes reports whether too much of text is of no use.
func (d *decoder) wastes() bool { return len(d.text) > 2*d.size+spareText }

// move moves the table's entries to other memory, or to the front of the same.
func (d *decoder) move(to []byte) {
	d.entries = slices.Delete(d.entries, 0, d.first)
	d.first = 0
	for i := range d.entries {
		e := &d.entries[i]
		start := len(to)
		to = append(to, d.text[e.start:e.end()]...)
		e.start = start
	}
	d.text = to
}

// view is a part of text as a string.
func (d *decoder) view(start, end int) string {
	if start == end {
		return ""
	}
	return unsafe.String(&d.text[start], end-start)
}

// encoded is a name or a value as it came.
type encoded struct {
	text    []byte
	huffman bool
}

// literalText reads a name or a value that begins at p[at], and returns where it ends.
func (d *decoder) literalText(p []byte, at int) (e encoded, end int, err error) {
	if at == len(p) {
		return e, 0, errMore
	}
	size, n, err := integer(p[at:], 7)
	switch {
	case err != nil:
		return e, 0, err
	case size > d.most:
		return e, 0, errTooLong
	case len(p)-at-n < size:
		return e, 0, errMore
	}
	e = encoded{p[at+n : at+n+size], p[at] >= 0x80}
	return e, at + n + size, nil
}

// append decodes a name or a value to the end of text.
func (d *decoder) append(e encoded) (err error) {
	if !e.huffman {
		d.text = append(d.text, e.text...)
		return nil
	}
	_, err = hpack.HuffmanDecode((*textWriter)(d), e.text)
	return err
}

// textWriter is a decoder as the writer of its text.
type textWriter decoder

func (w *textWriter) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	return len(p), nil
}

// integer reads an integer with a prefix of so many bits (RFC 7541, section 5.1), and returns how
// long it is.
func integer(p []byte, prefix int) (i, n int, err error) {
	most := 1<<prefix - 1
	if i = int(p[0]) & most; i < most {
		return i, 1, nil
	}
	for n, shift := 1, 0; n < len(p); n, shift = n+1, shift+7 {
		i += int(p[n]&0x7f) << shift
		switch {
		case shift > 28 || i > 1<<30:
			return 0, 0, errInteger
		case p[n] < 0x80:
			return i, n + 1, nil
		}
	}
	return 0, 0, errMore
}
