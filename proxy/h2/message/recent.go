package message

import "hash/maphash"

const (
	// recentSets is how many pairs of fields recent holds.
	recentSets = 32
	// maxIndexed bounds the fields that are indexed. Larger ones would leave little of the 4 KiB of
	// a table to the others.
	maxIndexed = 512
)

// recent tells which fields have come before: a field is copied, and may enter the table, when it
// comes for the second time. One that never comes again costs neither memory nor its place in the
// table.
//
// A field has two places. In the first stays one that has come twice, until another such one; those
// that came once take turns in the second, once the first is taken.
type recent struct {
	sets [recentSets][2]sighting
}

// sighting is a field that came: its hash, and what is known of it if it came twice. The zero value
// is none.
type sighting struct {
	hash  uint64
	field *repeated
}

// repeated is a copy of a field that came twice, and the number of its entry in the table, which it
// may have left.
type repeated struct {
	field
	entry uint64
}

// seed makes hashes that nobody can foresee: those who choose values can't choose their places.
var seed = maphash.MakeSeed()

// hashOf is a field's hash, which is never 0.
func hashOf(name, value []byte) uint64 {
	return maphash.Bytes(seed, value) ^ 3*maphash.Bytes(seed, name) | 1
}

// find returns a field that has come before; nil if it hasn't, or isn't to be indexed. The
// name is in lower case.
func (r *recent) find(name, value []byte) *repeated {
	if len(name)+len(value) > maxIndexed {
		return nil
	}
	hash := hashOf(name, value)
	set := &r.sets[hash>>1%recentSets]
	switch hash {
	case set[0].hash:
	case set[1].hash:
		set[0], set[1] = set[1], set[0]
	default:
		at := 1
		if set[0].hash == 0 {
			at = 0
		}
		set[at] = sighting{hash: hash}
		return nil
	}
	if set[0].field == nil {
		set[0].field = &repeated{field: field{name: string(name), value: string(value)}}
	}
	known := set[0].field
	if known.name != string(name) || known.value != string(value) {
		return nil // Another field of the same hash.
	}
	return known
}
