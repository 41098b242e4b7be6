package netconn

// records follows the records of TLS that come in, so that large ones are read one by one. TLS's
// buffer has room for one record and grows for what was read behind it, for good.
type records struct {
	// head has the bytes of a record's header that have come; have is how many.
	head [recordHeader]byte
	have int
	// left is how much is missing of the record, and last how long the record before was.
	left, last int
}

// recordHeader is the length of a record's header: a type, a version and the length of the rest.
const recordHeader = 5

// largeRecord is from which length on a record is large.
const largeRecord = 4 << 10

// none reports whether nothing has come yet.
func (r *records) none() bool { return r.have == 0 && r.last == 0 }

// most is how much may be read into so much room: up to the end of a record, or what is likely one
// more. Records of a bulk have one length.
func (r *records) most(room int) int {
	switch {
	case r.left > 0:
		return min(room, r.left)
	case r.have == 0 && r.last >= largeRecord:
		return min(room, r.last)
	}
	return room
}

// came notes what was read, and reports whether that was one record, whole.
func (r *records) came(p []byte) (one bool) {
	n, between := len(p), r.betweenTwo()
	r.follow(p)
	return between && r.betweenTwo() && n > 0 && n == r.last
}

// betweenTwo reports whether a record ends here.
func (r *records) betweenTwo() bool { return r.left == 0 && r.have == 0 }

func (r *records) follow(p []byte) {
	for len(p) > 0 {
		if r.left == 0 {
			n := copy(r.head[r.have:], p)
			p, r.have = p[n:], r.have+n
			if r.have < recordHeader {
				return
			}
			r.left = int(r.head[3])<<8 | int(r.head[4])
			r.last = recordHeader + r.left
			r.have = 0
		}
		n := min(r.left, len(p))
		p, r.left = p[n:], r.left-n
	}
}
