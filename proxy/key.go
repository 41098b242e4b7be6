package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
	"unsafe"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/http1"
)

// What client_ids begin with that are no plain header value.
const (
	// addressPrefix is before the address of a client that didn't send the key's header.
	addressPrefix = "ip:"
	// hashPrefix is before the SHA-256, in hexadecimal, of a header value that is secret or can't be a client_id.
	hashPrefix = "sha256:"
)

// Key says what identifies a client. It is immutable; the zero Key is the address.
type Key struct {
	// header is the name of the header whose value identifies; "" is the address.
	header string
	// network is how much of the address counts. With a header it is the default.
	network network
	// lower is header in lower case.
	lower string
	// secret has the value hashed before it is kept anywhere.
	secret bool
}

// ParseKey reads "ip", "ip/48" (the prefix length of IPv6), "ip/64,24" (and of IPv4) or
// "header:NAME". With secret, a header's value is stored, listed and logged as sha256:<hex> only;
// an address is no secret. Errors name spec and what was wanted.
func ParseKey(spec string, secret bool) (Key, error) {
	if lengths, ok := strings.CutPrefix(spec, "ip"); ok {
		n, ok := parseNetworkKey(lengths)
		if !ok {
			return Key{}, fmt.Errorf("unexpected key %q; want ip, ip/48 with an IPv6 prefix length of 1 to 128, "+
				"or ip/64,24 with an IPv4 one of 1 to 32 too", spec)
		}
		return Key{network: n}, nil
	}
	name, ok := strings.CutPrefix(spec, "header:")
	if !ok {
		return Key{}, fmt.Errorf("unexpected key %q; want ip or header:NAME", spec)
	}
	if !http1.IsToken([]byte(name)) {
		return Key{}, fmt.Errorf("unexpected key %q: %q is no header name; want one such as header:X-Api-Key", spec, name)
	}
	if why := whyNoKey([]byte(name)); why != "" {
		return Key{}, fmt.Errorf("unexpected key %q: %s; want a header that says who the client is, or ip", spec, why)
	}
	return Key{header: name, lower: strings.ToLower(name), secret: secret}, nil
}

// imitates says whether a field has a name that isn't the key's header, but reads like it once all punctuation counts as a
// hyphen: X_Api_Key for X-Api-Key. Backends that make CGI variables of names can't tell the two apart, so a client
// that sent both would be counted by one value and served by the other.
func (k Key) imitates(name []byte) bool {
	if len(name) != len(k.lower) || k.is(name) {
		return false
	}
	for i, c := range name {
		if foldByte(c) != foldByte(k.lower[i]) {
			return false
		}
	}
	return len(name) > 0
}

// is says whether a field has the name of the key's header.
func (k Key) is(name []byte) bool {
	return len(name) == len(k.lower) && len(name) > 0 && http1.Is(name, k.lower)
}

// String writes the key as ParseKey reads it.
func (k Key) String() string {
	if k.header == "" {
		return "ip" + k.network.String()
	}
	return "header:" + k.header
}

// AppendClientID appends the client_id of a request that was let pass: 1 to 256
// bytes of valid UTF-8 without control characters. clientIP is TrustedProxies.ClientIP's. It doesn't allocate
// if dst has room for 256 bytes and, where the header is repeated, for all its values.
func (k Key) AppendClientID(dst []byte, h *http1.Request, clientIP netip.Addr) []byte {
	if k.header == "" {
		return k.network.append(dst, clientIP)
	}
	value, count := k.find(h.Fields)
	switch {
	case count > 1:
		return k.appendRepeated(dst, h.Fields)
	case len(value) == 0:
		return k.network.append(append(dst, addressPrefix...), clientIP)
	case k.secret || !isClientID(value):
		return appendHash(dst, sha256.Sum256(value))
	}
	return append(dst, value...)
}

// find looks for the header in any case, and counts how often it is there.
func (k Key) find(fields []http1.Field) (value []byte, count int) {
	for i := range fields {
		if f := &fields[i]; k.is(f.Name) {
			value = f.Value
			count++
		}
	}
	return value, count
}

// appendRepeated hashes all the header's values, with a NUL between. No value can hold one, so no single
// value has the same hash; joined by commas, as RFC 9110 allows, a client could have sent two and been taken for
// the one whose value is both.
func (k Key) appendRepeated(dst []byte, fields []http1.Field) []byte {
	start := len(dst)
	for _, f := range fields {
		if k.is(f.Name) {
			dst = append(append(dst, f.Value...), 0)
		}
	}
	joined := dst[start : len(dst)-1]
	return appendHash(dst[:start], sha256.Sum256(joined))
}

func appendHash(dst []byte, sum [sha256.Size]byte) []byte {
	return hex.AppendEncode(append(dst, hashPrefix...), sum[:])
}

// isClientID says whether a header value can be a client_id as it is: one that operators can name,
// and that can't be taken for what we made of another.
func isClientID(value []byte) bool {
	if len(value) == 0 || len(value) > limiter.MaxClientID || !utf8.Valid(value) {
		return false
	}
	text := asString(value)
	return !isMade(text) && strings.IndexFunc(text, unicode.IsControl) < 0
}

// isMade says whether id isn't a plain header value.
func isMade(id string) bool {
	return strings.HasPrefix(id, addressPrefix) || strings.HasPrefix(id, hashPrefix)
}

// ClientID is the client_id that an operator's raw one stands for in the admin API: the value
// of a secret header becomes its hash, and an address its canonical form. What is canonical already stays.
func (k Key) ClientID(raw string) string {
	if k.header == "" {
		return k.network.canonical(raw)
	}
	if address, ok := strings.CutPrefix(raw, addressPrefix); ok {
		return addressPrefix + k.network.canonical(address)
	}
	if !k.secret || isMade(raw) {
		return raw
	}
	return string(appendHash(nil, sha256.Sum256([]byte(raw))))
}

// asString is b without a copy, for a callee that keeps nothing of it.
func asString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
