package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1/http1test"
)

func uris(t *testing.T, texts ...string) (all []*url.URL) {
	for _, text := range texts {
		u, err := url.Parse(text)
		require.NoError(t, err)
		all = append(all, u)
	}
	return all
}

func TestClientIDBySPKI(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.1")
	key := mustKey(t, "tls:spki", true)
	sum := sha256.Sum256([]byte("its public key"))
	want := hex.EncodeToString(sum[:])
	h := http1test.Request(t, http1test.Get("X-Client-Cert-SPKI-SHA256: forged"))
	first := NewCertificate(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("its public key"), DNSNames: []string{"a.test"}})
	renewed := NewCertificate(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("its public key"), DNSNames: []string{"b.test"}})
	assert.Equal(t, want, string(key.AppendClientID(nil, h, peer, &first)))
	assert.Equal(t, want, string(key.AppendClientID(nil, h, peer, &renewed)), "a renewed certificate for the same key")
	assert.Equal(t, "ip:192.0.2.1", string(key.AppendClientID(nil, h, peer, nil)))
	assert.Equal(t, want, key.ClientID(want))
	assert.Equal(t, want, key.ClientID(strings.ToUpper(want)))
	assert.Equal(t, "ip:192.0.2.1", key.ClientID("ip:::ffff:192.0.2.1"))
}

func TestClientIDBySAN(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.1")
	key := mustKey(t, "tls:san", true)
	h := http1test.Request(t, http1test.Get("X-Client-Cert-SAN: DNS:forged"))
	f := func(want string, c x509.Certificate) {
		t.Helper()
		cert := NewCertificate(&c)
		id := string(key.AppendClientID(nil, h, peer, &cert))
		assert.Equal(t, want, id)
		assert.Equal(t, id, key.ClientID(id))
	}
	f("DNS:a.test", x509.Certificate{DNSNames: []string{"A.test", "b.test"}})
	f("URI:spiffe://a/b", x509.Certificate{DNSNames: []string{"a.test"}, URIs: uris(t, "spiffe://a/b", "spiffe://c")})
	f("URI:dns:a.test", x509.Certificate{URIs: uris(t, "DNS:a.test")})
	f("ip:192.0.2.1", x509.Certificate{EmailAddresses: []string{"a@b.test"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 9)}})
	long := "spiffe://a/" + strings.Repeat("b", MaxClientID)
	f(hashed("URI:"+long), x509.Certificate{URIs: uris(t, long)})
	f(hashed("DNS:a\x01"), x509.Certificate{DNSNames: []string{"a\x01"}})
	assert.Equal(t, "ip:192.0.2.1", string(key.AppendClientID(nil, h, peer, nil)))
	assert.Equal(t, "DNS:a.test", key.ClientID("DNS:A.test"))
	assert.Equal(t, "URI:spiffe://A", key.ClientID("URI:spiffe://A"))
}

func TestCertificatesDoNotAllocate(t *testing.T) {
	cert := NewCertificate(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("key"), DNSNames: []string{"a.test"}})
	h, dst := http1test.Request(t, http1test.Get()), make([]byte, 0, MaxClientID)
	for _, spec := range []string{"tls:spki", "tls:san"} {
		key := mustKey(t, spec, false)
		assert.Zero(t, testing.AllocsPerRun(100, func() { dst = key.AppendClientID(dst[:0], h, netip.Addr{}, &cert) }))
	}
}
