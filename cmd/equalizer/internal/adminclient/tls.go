package adminclient

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"slices"
)

// TLS is how an API that speaks TLS is verified.
type TLS struct {
	// Trusted are certificates: the API's own, or those of authorities, which must have signed one
	// for the API's host. nil stands for the system's authorities.
	Trusted []*x509.Certificate
	// Configured is set if Trusted is what the API is configured to show, with the certificate
	// itself first. While that is newer than what the API shows, as after a renewal, any other
	// certificate for one of its names is trusted, if the system's authorities vouch for it, or one
	// of Trusted does.
	Configured bool
	// Unverified takes any certificate. No token must be sent then.
	Unverified bool
}

// config is the TLS configuration of connections to a host.
func (t *TLS) config(host string) *tls.Config {
	c := &tls.Config{ServerName: host}
	switch {
	case t.Unverified:
		c.InsecureSkipVerify = true
	case t.Trusted != nil:
		c.InsecureSkipVerify = true // VerifyConnection verifies instead.
		c.VerifyConnection = func(state tls.ConnectionState) error { return t.verify(state.PeerCertificates, host) }
	}
	return c
}

// verify checks the certificates that an API has shown. Its own, which an operator has in a file,
// may be for any name: it was given for that very process.
func (t *TLS) verify(shown []*x509.Certificate, host string) error {
	isShown := func(one *x509.Certificate) bool { return bytes.Equal(one.Raw, shown[0].Raw) }
	if slices.ContainsFunc(t.Trusted, isShown) {
		return nil
	}
	o := x509.VerifyOptions{Roots: poolOf(t.Trusted), Intermediates: poolOf(shown[1:]), DNSName: host}
	_, err := shown[0].Verify(o)
	if err == nil || t.Configured && t.vouchedFor(shown[0], o) {
		return nil
	}
	return &tls.CertificateVerificationError{UnverifiedCertificates: shown, Err: err}
}

// vouchedFor reports whether a certificate is for one of the names of the configured one.
func (t *TLS) vouchedFor(shown *x509.Certificate, o x509.VerifyOptions) bool {
	trusted := o.Roots
	for _, o.DNSName = range namesOf(t.Trusted[0]) {
		for _, o.Roots = range []*x509.CertPool{trusted, nil} { // nil is the system's.
			if _, err := shown.Verify(o); err == nil {
				return true
			}
		}
	}
	return false
}

func poolOf(all []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, one := range all {
		pool.AddCert(one)
	}
	return pool
}

// namesOf are the hosts that a certificate is for. Addresses are in brackets.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, "["+ip.String()+"]")
	}
	return names
}
