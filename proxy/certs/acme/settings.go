package acme

import "crypto/x509"

// Settings are whose certificates are wanted, and from whom.
type Settings struct {
	// Domains are those whose certificates are wanted, such as "example.com" and "*.example.com",
	// in lower case.
	Domains []string
	// CA is the URL of the authority's directory.
	CA string
	// Roots are the authorities that the directory's own certificate is verified by; nil: the
	// system's.
	Roots *x509.CertPool
	// Email is where the authority may write to; "" is nowhere.
	Email string
	// Hook puts records into the DNS. Without it domains are checked by HTTP-01 and TLS-ALPN-01,
	// and there can be no wildcards.
	Hook Hook
	// SelfSigned gives clients a certificate that they can't verify as long as there is no other.
	SelfSigned bool
}

// sameIssuer reports whether certificates are obtained in the same way.
func (s Settings) sameIssuer(o Settings) bool {
	sameRoots := s.Roots == o.Roots || s.Roots != nil && o.Roots != nil && s.Roots.Equal(o.Roots)
	return s.CA == o.CA && sameRoots && s.Email == o.Email && s.Hook.equal(o.Hook)
}
