package http1

import "bytes"

// badCoding is the refusal for what is wrong with a Transfer-Encoding that isn't chunked. A coding
// that isn't implemented is 501 (RFC 9112, section 6.1), but only if no reader could take it for
// chunked, or for no coding at all: such a message is ambiguous, and stays 400.
func badCoding(list []byte) *Refusal {
	if isForeignCoding(list) {
		return refusal(statusNotImplemented, "transfer-coding", "a transfer coding that is not implemented")
	}
	return bad("transfer-encoding", "Transfer-Encoding is not exactly chunked")
}

// isForeignCoding reports whether a list has a coding besides chunked, which may only be the last
// one.
func isForeignCoding(list []byte) bool {
	for n := 0; ; n++ {
		coding, rest, more := bytes.Cut(list, []byte(","))
		coding = TrimSpace(coding)
		switch {
		case Is(coding, "chunked"):
			return n > 0 && !more
		case !isPlainCoding(coding):
			return false
		case !more:
			return true
		}
		list = rest
	}
}

// isPlainCoding reports whether a coding is a name of letters, digits and hyphens that can be
// nothing else. It isn't identity, which old readers leave out, and its letters alone don't spell
// a part of chunked.
func isPlainCoding(coding []byte) bool {
	const lookalike = "chunk"
	matched := 0
	for _, c := range coding {
		c = ToLower(c)
		switch {
		case '0' <= c && c <= '9', c == '-':
		case c < 'a' || c > 'z':
			return false
		case c == lookalike[matched]:
			if matched++; matched == len(lookalike) {
				return false
			}
		case c == lookalike[0]:
			matched = 1
		default:
			matched = 0
		}
	}
	return len(coding) > 0 && !Is(coding, "identity")
}
