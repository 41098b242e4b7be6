package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"time"
)

// Name is the authority's, by which stores of trusted authorities list it.
const Name = "gopher-equalizer demo"

const (
	// kept is how long an authority is good. It must be trusted again then.
	kept = 2 * 365 * 24 * time.Hour
	// issued is how long a certificate is good. Browsers take up to 398 days.
	issued = 90 * 24 * time.Hour
	// early is how much sooner both begin, for clocks that are behind.
	early = time.Hour
)

// The files in the folder. The first has the authority's key, too.
const (
	wholeFile = "authority.pem"
	certFile  = "ca.pem"
	leafFile  = "localhost.pem"
)

// Authority is one that signs certificates for localhost.
type Authority struct {
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	made   bool
}

// Open takes the authority in a folder. If there is none, or it hasn't long to go, one is made. The
// folder is made, too. Only this user can read the key.
func Open(folder string, now time.Time) (*Authority, error) {
	a, err := load(folder)
	if err != nil {
		return nil, err
	}
	if a == nil || a.cert.NotAfter.Sub(now) < issued {
		if a, err = create(folder, a, now); err != nil {
			return nil, err
		}
	}
	if err := write(a.CertFile(), 0o644, certificateBlock(a.cert.Raw)); err != nil {
		return nil, err
	}
	return a, nil
}

// Made reports whether the authority is new, so that nobody trusts it yet.
func (a *Authority) Made() bool { return a.made }

// CertFile is the PEM file to trust. It has no key.
func (a *Authority) CertFile() string { return filepath.Join(a.folder, certFile) }

// create makes an authority and keeps it in the folder, in place of the former one, if there is
// any. Of two processes that do so at the same time, both use the one that was first.
func create(folder string, former *Authority, now time.Time) (*Authority, error) {
	a := &Authority{folder: folder, made: true}
	template := template(now, kept)
	template.Subject = pkix.Name{Organization: []string{"gopher-equalizer"}, CommonName: Name}
	template.IsCA, template.MaxPathLenZero = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	template.PermittedDNSDomainsCritical = true
	template.PermittedDNSDomains = []string{"localhost"}
	template.PermittedIPRanges = []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
	var err error
	if a.key, a.cert, err = a.sign(template); err != nil {
		return nil, err
	}
	return a.keep(former)
}

// Issue makes a certificate for localhost, the names below it and the loopback addresses. It
// returns a PEM file with the certificate and its key.
func (a *Authority) Issue(now time.Time) (file string, err error) {
	template := template(now, issued)
	template.Subject = pkix.Name{Organization: []string{"gopher-equalizer"}, CommonName: "localhost"}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.DNSNames = []string{"localhost", "*.localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	key, cert, err := a.sign(template)
	if err != nil {
		return "", err
	}
	private, err := keyBlock(key)
	if err != nil {
		return "", err
	}
	file = filepath.Join(a.folder, leafFile)
	return file, write(file, 0o600, certificateBlock(cert.Raw), private)
}

// template is what all certificates have in common.
func template(now time.Time, good time.Duration) *x509.Certificate {
	return &x509.Certificate{
		NotBefore: now.Add(-early), NotAfter: now.Add(good),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
}

// sign makes a key, and a certificate of it. The authority's own it signs by that key.
func (a *Authority) sign(template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	const bits = 127 // A serial number has at most 20 bytes, and is above 0.
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), bits)); err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	parent, signer := a.cert, a.key
	if template.IsCA {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return key, cert, err
}
