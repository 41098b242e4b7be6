package http1

import "bytes"

// Unlimited is the MaxForwards of a request that any number of servers may forward.
const Unlimited int64 = -1

// checkForwards reads Max-Forwards, which means something to TRACE and OPTIONS only (RFC 9110,
// section 7.6.2).
func (r *Request) checkForwards() *Refusal {
	s := &r.seen
	if s.forwardsCount == 0 || string(r.Method) != "TRACE" && string(r.Method) != "OPTIONS" {
		return nil
	}
	if s.forwardsCount > 1 || !IsDigits(s.forwards, len(s.forwards)) {
		return bad("max-forwards", "Max-Forwards is not one number").of(nameMaxForwards).at(r.offset(s.forwards))
	}
	r.MaxForwards = parseForwards(s.forwards)
	return nil
}

// parseForwards reads digits, however many.
func parseForwards(digits []byte) int64 {
	const most = 18
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) > most {
		return 1e18 - 1
	}
	return parseSize(digits)
}
