package identity

import (
	"fmt"
	"strings"

	"gopher-equalizer/proxy/http1"
)

// Key is what identifies a client. It is immutable; the zero Key is the client's address.
type Key struct {
	// header is the name of the header whose value identifies a client. part is the part of its
	// certificate that does. If both are "", the address does.
	header, part string
	// lower is header in lower case.
	lower string
	// prefixes say how much of an address counts. A request without the header or the certificate
	// is identified by its address, with the default prefixes.
	prefixes prefixes
	// secret has a header's value hashed before it is kept anywhere.
	secret bool
}

// ParseKey reads "ip", "ip/48" (the prefix length of IPv6), "ip/64,24" (and of IPv4),
// "header:NAME", "tls:spki" or "tls:san". With secret, a header's value is stored, listed and
// logged as sha256:<hex> only; addresses and certificates are no secrets. Errors name spec and what
// was wanted.
func ParseKey(spec string, secret bool) (Key, error) {
	if lengths, ok := strings.CutPrefix(spec, "ip"); ok {
		p, ok := parsePrefixes(lengths)
		if !ok {
			return Key{}, fmt.Errorf("unexpected key %q; want ip, ip/48 with an IPv6 prefix length of 1 to 128, "+
				"or ip/64,24 with an IPv4 one of 1 to 32 too", spec)
		}
		return Key{prefixes: p}, nil
	}
	if spec == partSPKI || spec == partSAN {
		return Key{part: spec}, nil
	}
	name, ok := strings.CutPrefix(spec, "header:")
	if !ok {
		return Key{}, fmt.Errorf("unexpected key %q; want ip, header:NAME, %s or %s", spec, partSPKI, partSAN)
	}
	if !http1.IsToken([]byte(name)) {
		return Key{}, fmt.Errorf("unexpected key %q: %q is no header name; want one such as header:X-Api-Key", spec, name)
	}
	if why := whyUnusable([]byte(name)); why != "" {
		return Key{}, fmt.Errorf("unexpected key %q: %s; want a header that says who the client is, or ip", spec, why)
	}
	return Key{header: name, lower: strings.ToLower(name), secret: secret}, nil
}

// String writes the key as ParseKey reads it.
func (k Key) String() string {
	switch {
	case k.IsAddress():
		return "ip" + k.prefixes.String()
	case k.IsCertificate():
		return k.part
	}
	return "header:" + k.header
}

// IsAddress reports whether clients are identified by their address alone.
func (k Key) IsAddress() bool { return k.header == "" && k.part == "" }

// IsCertificate reports whether clients are identified by their certificates. Those without one are
// by their address.
func (k Key) IsCertificate() bool { return k.part != "" }

// Header is the name of the header whose value identifies a client; "" for other keys.
func (k Key) Header() string { return k.header }

// IPv6Bits is how many bits of an IPv6 address tell clients apart.
func (k Key) IPv6Bits() int { return k.prefixes.bits(true) }

// Is reports whether a field has the name of the key's header, in any case.
func (k Key) Is(name []byte) bool {
	return len(name) == len(k.lower) && len(name) > 0 && http1.Is(name, k.lower)
}
