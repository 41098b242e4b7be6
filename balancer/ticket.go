package balancer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// Ticket stands for a backend, in the hands of a client that is to come back to it: a MAC of its
// name under a key that only the proxies have. It can't be made without the key, and says nothing
// of the backend. The zero Ticket is none.
type Ticket [16]byte

// newTicket makes the ticket of the backend with that id.
func newTicket(key []byte, id string) (t Ticket) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id))
	copy(t[:], mac.Sum(nil))
	return t
}

// tickets are written in base64url without padding, which a cookie may hold (RFC 6265, section
// 4.1.1).
var ticketCoding = base64.RawURLEncoding.Strict()

// ParseTicket reads what AppendText wrote; ok is false for anything else. It doesn't allocate.
func ParseTicket(text []byte) (t Ticket, ok bool) {
	if len(text) != ticketCoding.EncodedLen(len(t)) {
		return Ticket{}, false
	}
	if _, err := ticketCoding.Decode(t[:], text); err != nil {
		return Ticket{}, false
	}
	return t, true
}

// AppendText writes the ticket: 22 letters, digits, dashes and underscores.
func (t Ticket) AppendText(dst []byte) []byte { return ticketCoding.AppendEncode(dst, t[:]) }
