package proxy

// maxConnectionOptions is how many fields Connection headers may name. It bounds what looking for them can cost.
const maxConnectionOptions = 16

// connectionOptions are the fields that Connection names as being for this connection only (RFC
// 9110, section 7.6.1). Those that we treat by themselves aren't among them, so that no client
// can have Host, Content-Length or what we write taken out by naming them.
type connectionOptions struct {
	names [maxConnectionOptions][]byte
	n     int
}

// namedFields reads them all; checkRequest let no request pass that has too many.
func namedFields(raw []byte) (o connectionOptions) {
	f := fields{rest: raw}
	for f.next() {
		if kindOf(f.name) == kindConnection {
			o.add(f.value())
		}
	}
	return o
}

func (o *connectionOptions) add(list []byte) {
	for len(list) > 0 && o.n < len(o.names) {
		var option []byte
		option, list = nextElement(list)
		if namesField(option) {
			o.names[o.n] = option
			o.n++
		}
	}
}

func (o *connectionOptions) contains(name []byte) bool {
	return o != nil && containsName(o.names[:o.n], name)
}

// namesField says whether a Connection option can name a field that would be passed on otherwise.
func namesField(option []byte) bool {
	if len(option) == 0 || is(option, "keep-alive") || is(option, "close") {
		return false // Most options.
	}
	return kindOf(option) == kindEndToEnd
}

// namesAny says whether a Connection header has such an option.
func namesAny(list []byte) bool {
	for len(list) > 0 {
		var option []byte
		option, list = nextElement(list)
		if namesField(option) {
			return true
		}
	}
	return false
}
