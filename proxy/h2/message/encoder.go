package message

import (
	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/proxy/http1"
)

// tableSize is how large the dynamic table may be, whatever the peer allows. An entry counts with
// the same overhead as a field of a list (RFC 7541, section 4.1).
const tableSize = 4 << 10

// table is what an encoder knows of the dynamic table at its peer: how large each entry is, not
// what it is. Those who had a field added know its number. The zero value is an empty table.
type table struct {
	// added is how many entries were added so far, and dropped how many of these, the oldest, have
	// left. sizes are those of the others, by their number.
	added, dropped uint64
	sizes          [tableSize / overhead]uint16
	// size is how large it is, and less by how much less than tableSize it may be.
	size, less int
	// resized reports that its bound has changed, which the peer must be told before the next
	// field, and emptied that it was empty meanwhile.
	resized, emptied bool
}

// bound has the table have at most so many bytes. If the bound falls and rises before the peer is
// told, it must be told both (RFC 7541, section 4.2). There are decoders, such as package hpack's,
// that take two bounds for an empty table only.
func (t *table) bound(most uint32) {
	before, bound := tableSize-t.less, int(min(most, tableSize))
	if bound == before {
		return
	}
	if t.resized && bound > before {
		t.emptied = true
		t.makeRoom(tableSize)
	}
	t.less, t.resized = tableSize-bound, true
	t.makeRoom(0)
}

// appendBound tells the peer the bound.
func (t *table) appendBound(dst []byte) []byte {
	if t.emptied {
		dst = appendInteger(dst, 0x20, 5, 0)
	}
	t.resized, t.emptied = false, false
	return appendInteger(dst, 0x20, 5, tableSize-t.less)
}

// makeRoom drops the oldest entries.
func (t *table) makeRoom(n int) {
	for t.added > t.dropped && t.size+n > tableSize-t.less {
		t.dropped++
		t.size -= int(t.sizes[t.dropped%uint64(len(t.sizes))])
	}
}

// add adds an entry, and returns its number; 0 if there is no room for it at all.
func (t *table) add(name, value int) uint64 {
	n := name + value + overhead
	if n > tableSize-t.less {
		return 0
	}
	t.makeRoom(n)
	t.added++
	t.size += n
	t.sizes[t.added%uint64(len(t.sizes))] = uint16(n)
	return t.added
}

// index is where the entry with that number is; 0 if it has left.
func (t *table) index(number uint64) int {
	if number <= t.dropped {
		return 0
	}
	return staticLength + 1 + int(t.added-number)
}

// staticLength is how many fields the static table has.
const staticLength = 61

// How a field is represented (RFC 7541, section 6), with the bits of the index that follow.
const (
	indexed, indexedBits           = 0x80, 7
	entering, enteringBits         = 0x40, 6
	neverIndexed, neverIndexedBits = 0x10, 4
)

// appendInteger appends an integer whose first bits stand behind a representation (RFC 7541,
// section 5.1).
func appendInteger(dst []byte, representation byte, bits, i int) []byte {
	most := 1<<bits - 1
	if i < most {
		return append(dst, representation|byte(i))
	}
	dst = append(dst, representation|byte(most))
	for i -= most; i >= 0x80; i >>= 7 {
		dst = append(dst, byte(i)|0x80)
	}
	return append(dst, byte(i))
}

// appendName appends a representation with a name, by its index in the static table if it is there.
func appendName(dst []byte, representation byte, bits int, name []byte) []byte {
	i := staticIndex(name)
	dst = appendInteger(dst, representation, bits, i)
	if i == 0 {
		dst = appendHuffman(dst, name)
	}
	return dst
}

// appendPlain appends a string as it is, and appendHuffman by Huffman's code, if that is shorter.
func appendPlain(dst, text []byte) []byte {
	return append(appendInteger(dst, 0, 7, len(text)), text...)
}

func appendHuffman(dst, text []byte) []byte {
	s := http1.Text(text)
	n := hpack.HuffmanEncodeLength(s)
	if n >= uint64(len(s)) {
		return appendPlain(dst, text)
	}
	return hpack.AppendHuffmanString(appendInteger(dst, 0x80, 7, int(n)), s)
}

// staticIndex is where the static table has a name that responses have (RFC 7541, appendix A); 0
// for others.
func staticIndex(name []byte) int {
	switch string(name) {
	case ":status":
		return 8
	case "accept-ranges":
		return 18
	case "access-control-allow-origin":
		return 20
	case "age":
		return 21
	case "allow":
		return 22
	case "cache-control":
		return 24
	case "content-disposition":
		return 25
	case "content-encoding":
		return 26
	case "content-language":
		return 27
	case "content-length":
		return 28
	case "content-location":
		return 29
	case "content-range":
		return 30
	case "content-type":
		return 31
	case "date":
		return 33
	case "etag":
		return 34
	case "expires":
		return 36
	case "last-modified":
		return 44
	case "link":
		return 45
	case "location":
		return 46
	case "proxy-authenticate":
		return 48
	case "refresh":
		return 52
	case "retry-after":
		return 53
	case "server":
		return 54
	case "set-cookie":
		return 55
	case "strict-transport-security":
		return 56
	case "vary":
		return 59
	case "via":
		return 60
	case "www-authenticate":
		return 61
	}
	return 0
}
