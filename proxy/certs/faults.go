package certs

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// soon is how long before the end of a certificate a warning is due.
const soon = 14 * 24 * time.Hour

// Fault is one thing that is wrong with the files of a certificate.
type Fault struct {
	// OfKey reports that it is the key's file, not the certificate's.
	OfKey bool
	// Text names the file and, where it matters, the date.
	Text string
}

// Faults are all that is wrong with the files of a certificate.
type Faults []Fault

func (f *Faults) add(ofKey bool, format string, args ...any) {
	*f = append(*f, Fault{ofKey, fmt.Sprintf(format, args...)})
}

func (f Faults) texts() (all []string) {
	for _, fault := range f {
		all = append(all, fault.Text)
	}
	return all
}

// Faults are what clients may refuse a certificate for, at a moment: it has expired or does soon,
// is not good yet, lacks its chain, is for no host. None of them keeps the proxy from starting:
// other names may be served well, and a renewal may be on its way.
func (c *Certificate) Faults(now time.Time) (faults Faults) {
	add := func(format string, args ...any) { faults.add(false, c.Files.Cert+": "+format, args...) }
	leaf := c.chain[0]
	for i, cert := range c.chain {
		if fault := whenBad(cert, now); fault != "" {
			add("%s %s", c.ordinal(i), fault)
		}
	}
	if len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		add("the certificate is for no host, and clients don't look at its subject, %s; want a DNS name among its subject alternative names", leaf.Subject)
	}
	for _, fault := range c.chainFaults() {
		add("%s", fault)
	}
	if !servesClients(leaf) {
		add("the certificate isn't meant for servers; want one with the extended key usage serverAuth")
	}
	for i, cert := range c.chain {
		if isWeaklySigned(cert) && !isSelfSigned(cert) { // Nobody looks at a root's own signature.
			add("%s is signed with %s, which clients refuse; want SHA-256", c.ordinal(i), cert.SignatureAlgorithm)
		}
	}
	if _, ok := leaf.PublicKey.(ed25519.PublicKey); ok {
		add("the certificate has an Ed25519 key, which browsers don't know; want an ECDSA key on P-256")
	}
	if info, err := os.Stat(c.Files.key()); err == nil && info.Mode().Perm()&0o004 != 0 {
		faults.add(true, "%s: every user of this machine can read the private key in it; want chmod o-r", c.Files.key())
	}
	return faults
}

// ordinal names the certificate with this index in the chain.
func (c *Certificate) ordinal(i int) string {
	if i == 0 {
		return "the certificate for " + describe(c.chain[0])
	}
	return fmt.Sprintf("the chain's certificate %d, %s,", i+1, c.chain[i].Subject)
}

// whenBad says when a certificate begins or ceases to be good; "" if that is far off.
func whenBad(c *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Sprintf("is good only from %s on", instant(c.NotBefore))
	case now.After(c.NotAfter):
		return fmt.Sprintf("expired at %s", instant(c.NotAfter))
	case c.NotAfter.Sub(now) < soon && c.NotAfter.Sub(c.NotBefore) > 4*soon:
		return fmt.Sprintf("expires at %s, in %d days", instant(c.NotAfter), daysLeft(c.NotAfter, now))
	}
	return ""
}

// chainFaults say what the chain lacks. It lacks nothing if each certificate is signed by the next,
// and the last one by itself or by an authority that this system knows. Nor does it if the last one
// is an authority's own and doesn't say where the certificate of its issuer is: the root of a
// private authority needn't be in a chain (RFC 8446, section 4.4.2).
func (c *Certificate) chainFaults() (faults []string) {
	for i := 1; i < len(c.chain); i++ {
		if !isSignedBy(c.chain[i-1], c.chain[i]) {
			faults = append(faults, fmt.Sprintf("%s isn't signed by the one behind it; want the chain in its order, from the certificate to the authority", c.ordinal(i-1)))
		}
	}
	last := c.chain[len(c.chain)-1]
	belowPrivateRoot := len(c.chain) > 1 && len(last.IssuingCertificateURL) == 0
	if len(faults) > 0 || isSelfSigned(last) || isKnown(last) || belowPrivateRoot {
		return faults
	}
	where := ""
	if len(last.IssuingCertificateURL) > 0 {
		where = ", which is at " + last.IssuingCertificateURL[0]
	}
	return []string{fmt.Sprintf("the chain ends before an authority that this system knows; want the certificate of %q behind the others%s, also if it is a root that all your clients have",
		last.Issuer, where)}
}

// isSignedBy reports whether an authority has signed a certificate. How weak the signature may be
// is another question.
func isSignedBy(c, authority *x509.Certificate) bool {
	err := c.CheckSignatureFrom(authority)
	return err == nil || errors.As(err, new(x509.InsecureAlgorithmError))
}

func isSelfSigned(c *x509.Certificate) bool {
	if !bytes.Equal(c.RawSubject, c.RawIssuer) {
		return false
	}
	err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	return err == nil || errors.As(err, new(x509.InsecureAlgorithmError))
}

// isKnown reports whether a certificate is signed by an authority that this system trusts, whatever
// it is for.
func isKnown(c *x509.Certificate) bool {
	_, err := c.Verify(x509.VerifyOptions{CurrentTime: c.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// servesClients reports whether a certificate may be a server's.
func servesClients(c *x509.Certificate) bool {
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	for _, usage := range c.ExtKeyUsage {
		if usage == x509.ExtKeyUsageServerAuth || usage == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

func isWeaklySigned(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

// daysLeft is how many whole days are left at now until end. It is negative when end has passed.
func daysLeft(end, now time.Time) int {
	const oneDay = 24 * time.Hour
	left := end.Sub(now)
	days := int(left / oneDay)
	if left < 0 && left%oneDay != 0 {
		days--
	}
	return days
}

func day(t time.Time) string     { return t.UTC().Format(time.DateOnly) }
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
