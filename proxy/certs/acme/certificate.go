package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"time"
)

// served is what a domain's clients get.
type served struct {
	certificate *tls.Certificate
	selfSigned  bool
}

// notYet fails a handshake with the alert handshake_failure: a certificate without a key is one
// that no client supports.
var notYet = &tls.Certificate{}

// Certificate returns the certificate for a client; nil if the name that it asks for is none of the
// domains'. While a domain has none, the handshake fails. A client that names none gets that of the
// first domain.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if config := m.config.Load(); name == "" && config != nil && len(config.settings.Domains) > 0 {
		name = config.settings.Domains[0]
	}
	all := *m.served.Load()
	for _, domain := range domainsOf(name) {
		if s, ok := all[domain]; ok {
			return s.certificate, nil
		}
	}
	if config := m.config.Load(); config != nil && slices.ContainsFunc(domainsOf(name), config.wants) {
		return notYet, nil
	}
	return nil, nil
}

// domainsOf are the domains whose certificates are for a name: that of the name itself, and the one
// with "*" in place of its first label, if it has several.
func domainsOf(name string) []string {
	if _, parent, ok := strings.Cut(name, "."); ok {
		return []string{name, "*." + parent}
	}
	return []string{name}
}

// selfSignedLife is for how long a self-signed certificate is good. A process that has none other
// by then has a problem that is bigger.
const selfSignedLife = 90 * 24 * time.Hour

// selfSigned makes a certificate that no authority has signed.
func selfSigned(domain string) (served, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return served{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return served{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "self-signed until another is issued"},
		DNSNames: []string{domain}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfSignedLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return served{}, err
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		return served{}, err
	}
	return served{&tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}, true}, nil
}

// Status is what is known of a domain, for operators.
type Status struct {
	Domain string
	// Certificate is the one that clients get; nil if there is none.
	Certificate *x509.Certificate
	// SelfSigned reports that no authority has signed it.
	SelfSigned bool
	// Failure is why no authority's could be obtained, or no newer one; nil if nothing has failed.
	Failure error
}

// Status is what is known of the domains, in the order of the settings.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	config := m.config.Load()
	if config == nil {
		return nil
	}
	var all []Status
	for _, name := range config.settings.Domains {
		s := Status{Domain: name, Failure: m.domains[name].failure}
		if of, ok := (*m.served.Load())[name]; ok {
			s.Certificate, s.SelfSigned = of.certificate.Leaf, of.selfSigned
		}
		all = append(all, s)
	}
	return all
}
