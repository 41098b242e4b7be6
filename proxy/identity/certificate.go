package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
)

// Certificate has the client_ids that a client's certificate makes, one for each kind of key.
type Certificate struct {
	// spki is the SHA-256 of the public key, in hexadecimal.
	spki string
	// san is the foremost URI, or else the foremost DNS name, with its kind; "" if there is
	// neither.
	san string
}

// NewCertificate reads a certificate, which must have been verified. The client proved that it has
// the key: also where a session is resumed, as that is one of the same client.
func NewCertificate(c *x509.Certificate) Certificate {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return Certificate{spki: hex.EncodeToString(sum[:]), san: foremostName(c)}
}

// foremostName is the name that tells certificates apart. A SPIFFE certificate has one URI only.
func foremostName(c *x509.Certificate) string {
	var name string
	switch {
	case len(c.URIs) > 0:
		name = "URI:" + c.URIs[0].String()
	case len(c.DNSNames) > 0:
		name = dnsPrefix + strings.ToLower(c.DNSNames[0])
	default:
		return ""
	}
	if !isClientID([]byte(name)) {
		return string(appendHash(nil, sha256.Sum256([]byte(name))))
	}
	return name
}

// of is the client_id under a key; "" if the certificate makes none.
func (c *Certificate) of(k Key) string {
	switch {
	case c == nil:
		return ""
	case k.part == partSPKI:
		return c.spki
	}
	return c.san
}

// canonicalName writes a client_id of a certificate's part as NewCertificate does.
func canonicalName(part, text string) string {
	name, isDNS := strings.CutPrefix(text, dnsPrefix)
	switch {
	case part == partSPKI:
		return strings.ToLower(text)
	case isDNS:
		return dnsPrefix + strings.ToLower(name)
	}
	return text
}

// The parts of certificates that keys may be about, as ParseKey reads them.
const (
	partSPKI = "tls:spki"
	partSAN  = "tls:san"
)

// dnsPrefix precedes a DNS name in client_ids, so that it isn't taken for a URI.
const dnsPrefix = "DNS:"
