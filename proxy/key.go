package proxy

import (
	"net/netip"

	"github.com/valyala/fasthttp"
)

// Key says what identifies a client. It is immutable; the zero Key is the address.
type Key struct {
	// header is the name of the header whose value identifies; "" is the address.
	header string
	// secret has the value hashed before it is kept anywhere.
	secret bool
}

// ParseKey reads "ip" or "header:NAME". With secret, a header's value is stored, listed and
// logged as sha256:<hex> only; an address is no secret. Errors name spec and what was wanted.
func ParseKey(spec string, secret bool) (Key, error) { return Key{}, nil }

// AppendClientID appends the client_id of a request that checkRequest has let pass: 1 to 256
// bytes of valid UTF-8 without control characters. clientIP is TrustedProxies.ClientIP's. It doesn't allocate
// if dst has room for 256 bytes.
func (k Key) AppendClientID(dst []byte, h *fasthttp.RequestHeader, clientIP netip.Addr) []byte {
	return dst
}

// ClientID is the client_id that an operator's raw one stands for in the admin API: the value
// of a secret header becomes its hash, and an address its canonical form. What is canonical already stays.
func (k Key) ClientID(raw string) string { return raw }

// String writes the key as ParseKey reads it.
func (k Key) String() string { return "ip" }
