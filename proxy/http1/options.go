package http1

// MaxOptions is how many fields a message's Connection headers may name. It bounds what looking for
// them can cost.
const MaxOptions = 16

// Options are the fields that Connection names as being for this connection only (RFC 9110, section
// 7.6.1). They alias the head that they stand in.
type Options struct {
	names [MaxOptions][]byte
	n     int
}

// add says no when there are too many.
func (o *Options) add(name []byte) bool {
	if o.n == len(o.names) {
		return false
	}
	o.names[o.n] = name
	o.n++
	return true
}

// Contains reports whether a field of this name is named, in any case.
func (o *Options) Contains(name []byte) bool { return ContainsName(o.names[:o.n], name) }
