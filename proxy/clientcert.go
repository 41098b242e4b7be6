package proxy

import (
	"crypto/x509"

	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// clientCert is what a client's certificate says, in the forms that requests need.
type clientCert struct {
	identity identity.Certificate
	// lines are the fields that tell backends of it.
	lines []byte
}

// certOf is that of a client's connection; nil if it has none. It is read with the connection's
// first request.
func certOf(s *netconn.Secured) *clientCert {
	read, _ := s.Describe(readClientCert).(*clientCert)
	return read
}

func readClientCert(c *x509.Certificate) any {
	return &clientCert{identity: identity.NewCertificate(c), lines: rewrite.ClientCertLines(c)}
}

// toBackends are the fields that tell backends of the certificate; nil without one.
func (c *clientCert) toBackends() []byte {
	if c == nil {
		return nil
	}
	return c.lines
}

// identify is what limits know the client by; nil without a certificate.
func (c *clientCert) identify() *identity.Certificate {
	if c == nil {
		return nil
	}
	return &c.identity
}
