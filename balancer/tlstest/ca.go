// Package tlstest has certificates for tests of TLS, from an authority of the test's own.
package tlstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// CA is a certificate authority.
type CA struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// chain are the certificates that go with those that it issues: none of a root.
	chain [][]byte
}

// NewCA makes one that nobody trusts yet.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{t: t}
	template := newAuthority("authority")
	ca.cert, ca.key = template, newKey(t)
	_, ca.cert = ca.sign(template, &ca.key.PublicKey)
	return ca
}

// Below makes an authority that this one vouches for. Its certificate goes with those that it
// issues.
func (ca *CA) Below() *CA {
	ca.t.Helper()
	below := &CA{t: ca.t, key: newKey(ca.t)}
	der, cert := ca.sign(newAuthority("intermediate"), &below.key.PublicKey)
	below.cert, below.chain = cert, append([][]byte{der}, ca.chain...)
	return below
}

func newAuthority(name string) *x509.Certificate {
	template := newTemplate(name, time.Hour)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	return template
}

// Certificate is the authority's own.
func (ca *CA) Certificate() *x509.Certificate { return ca.cert }

// Roots are what trusts the authority.
func (ca *CA) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// File is a PEM file with the authority's certificate.
func (ca *CA) File() string {
	ca.t.Helper()
	return write(ca.t, "ca.pem", "CERTIFICATE", ca.cert.Raw)
}

// Issue makes a certificate for names and IP addresses, good for servers and clients alike.
func (ca *CA) Issue(names ...string) tls.Certificate {
	ca.t.Helper()
	return ca.IssueFor(newKey(ca.t), func(*x509.Certificate) {}, names...)
}

// IssueExpired makes one whose time is over.
func (ca *CA) IssueExpired(names ...string) tls.Certificate {
	ca.t.Helper()
	return ca.IssueFor(newKey(ca.t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, names...)
}

// IssueFor makes one for a key, and has change make of it what is wanted.
func (ca *CA) IssueFor(key crypto.Signer, change func(*x509.Certificate), names ...string) tls.Certificate {
	ca.t.Helper()
	template := newTemplate(strings.Join(names, " "), time.Hour)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	change(template)
	der, leaf := ca.sign(template, key.Public())
	return tls.Certificate{Certificate: append([][]byte{der}, ca.chain...), PrivateKey: key, Leaf: leaf}
}

func (ca *CA) sign(template *x509.Certificate, key crypto.PublicKey) ([]byte, *x509.Certificate) {
	ca.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key, ca.key)
	require.NoError(ca.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(ca.t, err)
	return der, cert
}

// Files are PEM files with a certificate, with its chain, and its key.
func Files(t testing.TB, cert tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	return write(t, "cert.pem", "CERTIFICATE", cert.Certificate...), write(t, "key.pem", "PRIVATE KEY", der)
}

func write(t testing.TB, name, kind string, blocks ...[]byte) string {
	t.Helper()
	var text []byte
	for _, der := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func newTemplate(name string, left time.Duration) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().Add(left),
	}
}
