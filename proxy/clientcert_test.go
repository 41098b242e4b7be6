package proxy

import (
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/netconn"
)

// A certificate is read once for each connection.
func TestCertOf(t *testing.T) {
	for _, s := range []*netconn.Secured{nil, {}} {
		assert.Nil(t, certOf(s).identify())
		assert.Nil(t, certOf(s).toBackends())
	}
	s := &netconn.Secured{Certificate: &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"}}}
	first := certOf(s)
	assert.Contains(t, string(first.toBackends()), "X-Client-Cert-SAN: DNS:a.test\r\n")
	assert.Zero(t, testing.AllocsPerRun(100, func() { assert.Same(t, first, certOf(s)) }))
}
