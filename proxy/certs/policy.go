package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"gopher-equalizer/proxy/regular"
)

// ClientAuth is whether clients are asked for a certificate.
type ClientAuth string

// The values of ClientAuth.
const (
	// AuthOff asks for none.
	AuthOff ClientAuth = "off"
	// AuthRequest asks for one. A client may have none; one that can't be verified ends the
	// handshake.
	AuthRequest ClientAuth = "request"
	// AuthRequire asks for one, and a client without one is refused in the handshake.
	AuthRequire ClientAuth = "require"
)

// Policy is what TLS asks of clients. Sessions are only resumed under the policy that they began
// under. It is immutable, and can be compared.
type Policy struct {
	// MinVersion is the least version of TLS: tls.VersionTLS12 or tls.VersionTLS13.
	MinVersion uint16
	// ClientAuth is whether a certificate is asked for; "" stands for AuthOff. Authorities are
	// those that it must be signed by.
	ClientAuth  ClientAuth
	Authorities *Authorities
}

// asks reports whether clients are asked for certificates.
func (p Policy) asks() bool { return p.ClientAuth == AuthRequest || p.ClientAuth == AuthRequire }

// trusts reports whether certificates of clients are good by the same authorities under both.
func (p Policy) trusts(other Policy) bool {
	if p.Authorities == nil || other.Authorities == nil {
		return p.Authorities == other.Authorities
	}
	return p.Authorities.Sum == other.Authorities.Sum
}

// policyID tells policies apart by what they ask, also over restarts.
type policyID [sha256.Size]byte

func (p Policy) id() policyID {
	auth := p.ClientAuth
	if auth == "" {
		auth = AuthOff
	}
	text := fmt.Appendf(nil, "min_version %#04x, client_auth %s", p.MinVersion, auth)
	if p.asks() && p.Authorities != nil {
		text = fmt.Appendf(text, ", authorities %x", p.Authorities.Sum)
	}
	return sha256.Sum256(text)
}

// Config makes the TLS of a policy. Its certificates come from store. It leaves the groups to
// crypto/tls, which prefers the post-quantum ones, and so the keys of session tickets, which are
// others every day, unless they are set.
func (p Policy) Config(store *Store, protocols []string) *tls.Config {
	c := &tls.Config{
		GetCertificate: store.GetCertificate,
		MinVersion:     p.MinVersion,
		NextProtos:     protocols,
		// Of TLS 1.2's suites only those with forward secrecy and authenticated encryption: the
		// others have weaknesses that scanners report, and HTTP/2 forbids them.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		// Small records at first would let a client see the first bytes of a response a moment
		// earlier on a slow network, at one write for each of them.
		DynamicRecordSizingDisabled: true,
	}
	switch p.ClientAuth {
	case AuthRequest:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case AuthRequire:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if p.asks() && p.Authorities != nil {
		c.ClientCAs = p.Authorities.Pool
	}
	return c
}

// Authorities are certificates of authorities that are trusted.
type Authorities struct {
	Pool *x509.CertPool
	// Sum is a hash of them, in their order.
	Sum [sha256.Size]byte
}

// LoadAuthorities reads a PEM file of certificates. All of them must be good, since one that is
// left out would be missed when it is too late.
func LoadAuthorities(file string) (*Authorities, error) {
	text, err := regular.Read(file, maxFile)
	if err != nil {
		return nil, err
	}
	all, err := ParseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	a, sum := &Authorities{Pool: x509.NewCertPool()}, sha256.New()
	for _, cert := range all {
		a.Pool.AddCert(cert)
		sum.Write(cert.Raw)
	}
	sum.Sum(a.Sum[:0])
	return a, nil
}
