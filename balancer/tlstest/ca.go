// Package tlstest has certificates for tests of backends by https, from an authority of the test's
// own.
package tlstest

import (
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
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// CA is a certificate authority.
type CA struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes one that nobody trusts yet.
func NewCA(t testing.TB) *CA {
	t.Helper()
	ca := &CA{t: t}
	template := newTemplate("authority", time.Hour)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	ca.cert, ca.key = template, newKey(t)
	_, ca.cert = ca.sign(template, &ca.key.PublicKey)
	return ca
}

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
	return ca.issue(time.Hour, names)
}

// IssueExpired makes one whose time is over.
func (ca *CA) IssueExpired(names ...string) tls.Certificate {
	ca.t.Helper()
	return ca.issue(-time.Minute, names)
}

func (ca *CA) issue(left time.Duration, names []string) tls.Certificate {
	ca.t.Helper()
	template := newTemplate(names[0], left)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key := newKey(ca.t)
	der, leaf := ca.sign(template, &key.PublicKey)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (ca *CA) sign(template *x509.Certificate, key *ecdsa.PublicKey) ([]byte, *x509.Certificate) {
	ca.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key, ca.key)
	require.NoError(ca.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(ca.t, err)
	return der, cert
}

// Files are PEM files with a certificate and its key.
func Files(t testing.TB, cert tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	return write(t, "cert.pem", "CERTIFICATE", cert.Certificate[0]), write(t, "key.pem", "PRIVATE KEY", der)
}

func write(t testing.TB, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
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
