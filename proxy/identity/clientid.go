package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopher-equalizer/proxy/http1"
)

// MaxClientID is the length in bytes of the longest client_id that a Key makes.
const MaxClientID = 256

// The prefixes of client_ids that are not plain header values.
const (
	// addressPrefix precedes the address of a client that sent no header, or an empty one, or has
	// no certificate.
	addressPrefix = "ip:"
	// hashPrefix precedes the hexadecimal SHA-256 of a value that is secret, or is no client_id.
	hashPrefix = "sha256:"
)

// AppendClientID appends the client_id of a request that http1 accepted: 1 to MaxClientID bytes of
// valid UTF-8 without control characters. client is what Trusted.ClientAddr returned, and cert what
// NewCertificate made of the connection's certificate; nil if there is none. It doesn't allocate if
// dst has room for MaxClientID bytes and, where the header is repeated, for all its values.
func (k Key) AppendClientID(dst []byte, h *http1.Request, client netip.Addr, cert *Certificate) []byte {
	switch {
	case k.IsAddress():
		return k.prefixes.appendID(dst, client)
	case k.IsCertificate():
		if id := cert.of(k); id != "" {
			return append(dst, id...)
		}
		return k.prefixes.appendID(append(dst, addressPrefix...), client)
	}
	value, count := k.find(h.Fields)
	switch {
	case count > 1:
		return k.appendRepeated(dst, h.Fields)
	case len(value) == 0:
		return k.prefixes.appendID(append(dst, addressPrefix...), client)
	case k.secret || !isClientID(value):
		return appendHash(dst, sha256.Sum256(value))
	}
	return append(dst, value...)
}

// find returns the header's last value, and how often the header occurs.
func (k Key) find(fields []http1.Field) (value []byte, count int) {
	for i := range fields {
		if f := &fields[i]; k.Is(f.Name) {
			value = f.Value
			count++
		}
	}
	return value, count
}

// appendRepeated hashes all values of the header, each with a NUL behind it but the last. No value
// holds a NUL, so no single value has the same hash. Values joined by commas, as RFC 9110 allows,
// would let a client send two and be taken for the client whose only value is both.
func (k Key) appendRepeated(dst []byte, fields []http1.Field) []byte {
	start := len(dst)
	for _, f := range fields {
		if k.Is(f.Name) {
			dst = append(append(dst, f.Value...), 0)
		}
	}
	joined := dst[start : len(dst)-1]
	return appendHash(dst[:start], sha256.Sum256(joined))
}

func appendHash(dst []byte, sum [sha256.Size]byte) []byte {
	return hex.AppendEncode(append(dst, hashPrefix...), sum[:])
}

// isClientID reports whether a header value can be a client_id as it is: operators can name it, and
// it can't be mistaken for a client_id that was made of another value.
func isClientID(value []byte) bool {
	if len(value) == 0 || len(value) > MaxClientID || !utf8.Valid(value) {
		return false
	}
	text := http1.Text(value)
	return !isMade(text) && strings.IndexFunc(text, unicode.IsControl) < 0
}

// isMade reports whether a client_id has the form of those that are not plain header values.
func isMade(id string) bool {
	return strings.HasPrefix(id, addressPrefix) || strings.HasPrefix(id, hashPrefix)
}

// ClientID returns the client_id that an operator means by raw in the admin API. A secret header's
// value becomes its hash, and an address, a DNS name or the hash of a public key its canonical
// form. A client_id in canonical form is returned unchanged.
func (k Key) ClientID(raw string) string {
	if k.IsAddress() {
		return k.prefixes.canonicalID(raw)
	}
	if address, ok := strings.CutPrefix(raw, addressPrefix); ok {
		return addressPrefix + k.prefixes.canonicalID(address)
	}
	if k.IsCertificate() {
		return canonicalName(k.part, raw)
	}
	if !k.secret || isMade(raw) {
		return raw
	}
	return string(appendHash(nil, sha256.Sum256([]byte(raw))))
}
