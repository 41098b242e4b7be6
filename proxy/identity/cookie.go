package identity

import (
	"bytes"

	"gopher-equalizer/proxy/http1"
)

// IsCookieName reports whether a cookie can have the name (RFC 6265, section 4.1.1).
func IsCookieName(name string) bool { return http1.IsToken([]byte(name)) }

// Cookie returns the value of a request's first cookie with that name, in the same case; nil if
// there is none (RFC 6265, section 5.4).
func Cookie(fields []http1.Field, name string) []byte {
	for i := range fields {
		f := &fields[i]
		if !http1.Is(f.Name, "cookie") {
			continue
		}
		for rest := f.Value; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte(";"))
			found, value, ok := bytes.Cut(http1.TrimSpace(pair), []byte("="))
			if ok && string(found) == name {
				return value
			}
		}
	}
	return nil
}
