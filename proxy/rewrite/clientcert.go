package rewrite

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"time"
)

// The names of the fields that tell a backend of a client's certificate. No client can send one.
const (
	headerCertSubject  = "X-Client-Cert-Subject"
	headerCertIssuer   = "X-Client-Cert-Issuer"
	headerCertSAN      = "X-Client-Cert-SAN"
	headerCertSerial   = "X-Client-Cert-Serial"
	headerCertNotAfter = "X-Client-Cert-Not-After"
	headerCertSHA256   = "X-Client-Cert-SHA256"
	headerCertSPKI     = "X-Client-Cert-SPKI-SHA256"
)

// maxCertText bounds a value that the certificate's authority chose. A longer one is left out: a
// part of it could be another's whole.
const maxCertText = 1 << 10

// ClientCertLines are the fields that tell a backend of a client's certificate, each with its CRLF:
// subject and issuer as RFC 2253 writes them, alternative names with their kind ("DNS:a.test,
// URI:spiffe://b"), the serial number and two SHA-256 in hexadecimal, of the certificate and of its
// public key, and its end. What isn't visible ASCII is %XX, and so are a percent sign, except in a
// URI, and a comma in an alternative name. The certificate must have been verified.
func ClientCertLines(c *x509.Certificate) []byte {
	var dst []byte
	add := func(name, value string) {
		if value != "" && len(value) <= maxCertText {
			dst = AppendField(dst, name, value)
		}
	}
	add(headerCertSubject, visible(c.Subject.String(), "%"))
	add(headerCertIssuer, visible(c.Issuer.String(), "%"))
	add(headerCertSAN, alternativeNames(c))
	add(headerCertSerial, hex.EncodeToString(c.SerialNumber.Bytes()))
	add(headerCertNotAfter, c.NotAfter.UTC().Format(time.RFC3339))
	whole, key := sha256.Sum256(c.Raw), sha256.Sum256(c.RawSubjectPublicKeyInfo)
	add(headerCertSHA256, hex.EncodeToString(whole[:]))
	add(headerCertSPKI, hex.EncodeToString(key[:]))
	return dst
}

func alternativeNames(c *x509.Certificate) string {
	var names []string
	for _, name := range c.DNSNames {
		names = append(names, "DNS:"+visible(name, ",%"))
	}
	for _, uri := range c.URIs {
		names = append(names, "URI:"+visible(uri.String(), ","))
	}
	for _, name := range c.EmailAddresses {
		names = append(names, "email:"+visible(name, ",%"))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, "IP:"+ip.String())
	}
	return strings.Join(names, ", ")
}

// visible is a text with all but visible ASCII and inner spaces as %XX, and the bytes of but, too.
func visible(text, but string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		inner := c == ' ' && i > 0 && i < len(text)-1
		if (c > ' ' || inner) && c < 0x7f && strings.IndexByte(but, c) < 0 {
			b.WriteByte(c)
			continue
		}
		const digits = "0123456789ABCDEF"
		b.WriteString("%" + digits[c>>4:c>>4+1] + digits[c&15:c&15+1])
	}
	return b.String()
}
