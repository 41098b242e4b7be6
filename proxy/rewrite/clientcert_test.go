package rewrite

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/http1/http1test"
)

// Whatever an authority has signed, each field is one line, and no name reads as several.
func TestClientCertLines(t *testing.T) {
	uri := func(text string) *url.URL {
		u, err := url.Parse(text)
		assert.NoError(t, err)
		return u
	}
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "a b\r\nX-Evil: 1\u00e9 100%", Organization: []string{"Org"}},
		Issuer:  pkix.Name{CommonName: "ca"}, SerialNumber: big.NewInt(0x1234),
		NotAfter: time.Date(2026, 11, 29, 8, 0, 0, 0, time.FixedZone("x", 3600)), Raw: []byte("raw"), RawSubjectPublicKeyInfo: []byte("key"),
		DNSNames: []string{"a.test", "b,DNS:c.test"}, URIs: []*url.URL{uri("spiffe://a/b%20c,d")},
		EmailAddresses: []string{"a@b.test"}, IPAddresses: []net.IP{net.ParseIP("2001:db8::1")},
	}
	sum := func(text string) string {
		s := sha256.Sum256([]byte(text))
		return hex.EncodeToString(s[:])
	}
	assert.Equal(t, http1test.Lines(
		"X-Client-Cert-Subject: CN=a b%0D%0AX-Evil: 1%C3%A9 100%25,O=Org",
		"X-Client-Cert-Issuer: CN=ca",
		"X-Client-Cert-SAN: DNS:a.test, DNS:b%2CDNS:c.test, URI:spiffe://a/b%20c%2Cd, email:a@b.test, IP:2001:db8::1",
		"X-Client-Cert-Serial: 1234",
		"X-Client-Cert-Not-After: 2026-11-29T07:00:00Z",
		"X-Client-Cert-SHA256: "+sum("raw"),
		"X-Client-Cert-SPKI-SHA256: "+sum("key"),
	), string(ClientCertLines(c)))
	c.Subject, c.DNSNames, c.URIs, c.EmailAddresses, c.IPAddresses = pkix.Name{}, nil, nil, nil, nil
	c.Issuer.CommonName = strings.Repeat("x", maxCertText)
	assert.NotContains(t, string(ClientCertLines(c)), "Subject")
	assert.NotContains(t, string(ClientCertLines(c)), "SAN")
	assert.NotContains(t, string(ClientCertLines(c)), "Issuer")
}

// No client says what certificate it has, in any spelling, and neither does a trusted proxy.
func TestClientCertsAreOurs(t *testing.T) {
	for _, name := range []string{
		"X-Client-Cert-Subject", "x-client-cert-san", "X_Client_Cert_SAN", "X-Client_Cert.Verify", "X-Client-Cert", "X-CLIENT-CERT-ANYTHING-THAT-IS-LONG",
		"Client-Cert", "client_cert", "Client-Cert-Chain",
	} {
		for _, trusted := range []bool{false, true} {
			r := Request{Received: http1test.Request(t, http1test.Get(name+": forged")), TrustedPeer: trusted, Rules: &Rules{}, ClientCert: []byte("X-Client-Cert-Subject: ours\r\n")}
			head := string(r.AppendHead(nil))
			assert.NotContains(t, head, "forged", name)
			assert.Contains(t, head, "\r\nX-Client-Cert-Subject: ours\r\n")
		}
	}
	for _, name := range []string{"X-Client-Certain-ly", "X-Client-Id", "Client-Certs", "X-Client"} {
		r := Request{Received: http1test.Request(t, http1test.Get(name+": kept")), Rules: &Rules{}}
		assert.Contains(t, string(r.AppendHead(nil)), name+": kept\r\n")
	}
}
