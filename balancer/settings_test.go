package balancer

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAuthorities(t *testing.T) {
	f := func(addr string, secure bool, want ...string) {
		t.Helper()
		b := BackendSettings{Addr: addr}
		if secure {
			b.TLS = &tls.Config{}
		}
		assert.Equal(t, want, b.Authorities())
	}
	f("a:8080", false, "a:8080")
	f("a:80", false, "a", "a:80")
	f("a:443", false, "a:443")
	f("a:443", true, "a", "a:443")
	f("a:80", true, "a:80")
	f("[::1]:443", true, "[::1]", "[::1]:443")
	f("/run/app.sock", false, "localhost")
	f("/run/a:80", false, "localhost")
}
