package message

import (
	"hash/maphash"

	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/proxy/http1"
)

const (
	// recentSets is how many pairs of fields recent holds.
	recentSets = 32
	// maxIndexed bounds the fields that are indexed. Larger ones would leave little of the 4 KiB of
	// a table to the others.
	maxIndexed = 512
)

// recent tells which fields have come before. hpack's encoder keeps the strings of what it indexes,
// so that these must be copies: a field is copied, and indexed, when it comes for the second time.
// One that never comes again costs neither memory nor its place in the table.
//
// A field has two places. In the first stays one that has come twice, until another such one; those
// that came once take turns in the second.
type recent struct {
	sets [recentSets][2]sighting
}

// sighting is a field that came: its hash, and its copy if it came twice. The zero value is none.
type sighting struct {
	hash  uint64
	field *hpack.HeaderField
}

// seed makes hashes that nobody can foresee: those who choose values can't choose their places.
var seed = maphash.MakeSeed()

// field returns a field for the encoder. The name is in lower case.
func (r *recent) field(name, value []byte) hpack.HeaderField {
	if len(name)+len(value) > maxIndexed {
		return passing(name, value)
	}
	hash := maphash.Bytes(seed, value) ^ 3*maphash.Bytes(seed, name) | 1
	set := &r.sets[hash>>1%recentSets]
	switch hash {
	case set[0].hash:
	case set[1].hash:
		set[0], set[1] = set[1], set[0]
	default:
		set[1] = sighting{hash: hash}
		return passing(name, value)
	}
	known := &set[0]
	if known.field == nil {
		known.field = &hpack.HeaderField{Name: string(name), Value: string(value)}
	}
	if known.field.Name != string(name) || known.field.Value != string(value) {
		return passing(name, value) // Another field of the same hash.
	}
	return *known.field
}

// passing returns a field that isn't indexed, so that the encoder keeps nothing of its strings,
// which are views of the memory of name and value.
func passing(name, value []byte) hpack.HeaderField {
	return hpack.HeaderField{Name: http1.Text(name), Value: http1.Text(value), Sensitive: true}
}
