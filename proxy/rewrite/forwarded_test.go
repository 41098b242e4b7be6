package rewrite

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/http1/http1test"
)

func TestUntrustedForwardingHeadersAreDropped(t *testing.T) {
	want := "GET / HTTP/1.1\r\nHost: example.com\r\n" + ours("example.com") + "\r\n"
	for _, name := range []string{
		"X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR", "X_Forwarded_For", "x_forwarded-for", "X-Forwarded_For", "X.Forwarded.For", "X~Forwarded'For",
		"X-Forwarded-Proto", "x_forwarded_proto", "X-Forwarded-Host", "X_FORWARDED_HOST", "X-Forwarded-Port", "x-forwarded-prefix", "X_Forwarded_Server", "X-Forwarded-",
		"X-Forwarded-Anything-That-Is-Quite-Long", "X-Real-IP", "x-real-ip", "X_Real_IP", "X-Real_Ip", "Forwarded", "FORWARDED", "X-Request-ID", "x_request_id",
	} {
		r := headOf(t, http1test.Get(name+": 6.6.6.6", name+":7.7.7.7"))
		assert.Equal(t, want, string(r.AppendHead(nil)), name)
	}
}

func TestTrustedForwardingHeadersAreKept(t *testing.T) {
	f := func(want []string, fields ...string) {
		t.Helper()
		r := headOf(t, http1test.Get(fields...))
		r.TrustedPeer = true
		r.Client = netip.MustParseAddr("198.51.100.4")
		all := "GET / HTTP/1.1\r\nHost: example.com\r\n" + http1test.Lines(want...) + "\r\n"
		assert.Equal(t, all, string(r.AppendHead(nil)), "%q", fields)
	}
	const proto, host, port = "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com", "X-Forwarded-Port: 80"
	const real, id = "X-Real-IP: 198.51.100.4", "X-Request-ID: id"
	f([]string{"X-Forwarded-For: 192.0.2.1", proto, host, port, real, id})
	f([]string{"X-Forwarded-For: 198.51.100.4, 192.0.2.1", proto, host, port, real, id},
		"x-forwarded-for: 198.51.100.4")
	f([]string{"X-Forwarded-For: 198.51.100.4,  10.0.0.1, unknown, 192.0.2.1", proto, host, port, real, id},
		"X-Forwarded-For: 198.51.100.4,  10.0.0.1", "X-Forwarded-For:", "X-FORWARDED-FOR: unknown ")
	f([]string{"x-forwarded-proto: https", "X-Forwarded-For: 192.0.2.1", host, "X-Forwarded-Port: 8443", real, id},
		"x-forwarded-proto: https", "x-forwarded-PORT: 8443")
	f([]string{"X-Forwarded-Host: shop.example", "X-Forwarded-For: 192.0.2.1", proto, port, real, id},
		"X-Forwarded-Host: shop.example")
	// No proxy writes these; the client behind it may have.
	f([]string{"X-Forwarded-For: 192.0.2.1", proto, host, port, real, id},
		"X_Forwarded_For: 6.6.6.6", "X_Forwarded_Port: 81", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6", "X_Forwarded-Proto: https", "X-Request-ID: x")
}

// X-Forwarded-Port is that of the URL that the client asked for, as far as the client and trusted
// proxies tell.
func TestForwardedPort(t *testing.T) {
	f := func(want int, trusted bool, host string, fields ...string) {
		t.Helper()
		r := headOf(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\n"+http1test.Lines(fields...)+"\r\n")
		r.TrustedPeer = trusted
		got := string(r.AppendHead(nil))
		assert.Contains(t, got, fmt.Sprintf("\r\nX-Forwarded-Port: %d\r\n", want))
		assert.Equal(t, 1, strings.Count(strings.ToLower(got), "forwarded-port"))
	}
	f(80, false, "a")
	f(8080, false, "a:8080")
	f(80, false, "a:")
	f(81, false, "[::1]:0081")
	f(80, false, "[2001:db8::81]")
	f(80, false, "a:0")
	f(80, false, "a:65536")
	f(80, false, "a", "X-Forwarded-Port: 81", "X-Forwarded-Proto: https", "X-Forwarded-Host: b:82")
	f(8080, false, "a:8080", "x_forwarded_port: 81")

	f(81, true, "a:8080", "X-Forwarded-Port: 81")
	for _, bad := range []string{"", "0", "65536", "x", "81, 82", "-1", "+81", "81;", "000081"} {
		f(8080, true, "a:8080", "X-Forwarded-Port: "+bad)
	}
	f(8080, true, "a:8080", "X-Forwarded-Port: 81", "X-Forwarded-Port: 82")
	f(443, true, "a", "X-Forwarded-Proto: HTTPS")
	f(443, true, "a", "X-Forwarded-Proto: wss")
	f(80, true, "a", "X-Forwarded-Proto: ws")
	f(8443, true, "a:8443", "X-Forwarded-Proto: https")
	f(443, true, "a:8080", "X-Forwarded-Proto: https", "X-Forwarded-Host: b")
	f(8443, true, "a:8080", "X-Forwarded-Proto: https", "X-Forwarded-Host: b:8443")
	f(443, true, "a:8080", "X-Forwarded-Proto: https", "X-Forwarded-Host: b:81, c:82")
	f(80, true, "a:8080", "X-Forwarded-Host: b:81", "X-Forwarded-Host: c:82")
}

func TestAddressesAreCanonical(t *testing.T) {
	r := headOf(t, http1test.Get())
	r.Peer, r.Client = netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")
	got := string(r.AppendHead(nil))
	assert.Contains(t, got, "\r\nX-Forwarded-For: 192.0.2.1\r\n")
	assert.Contains(t, got, "\r\nX-Real-IP: fe80::1\r\n")
	r.Peer = netip.Addr{}
	assert.Contains(t, string(r.AppendHead(nil)), "\r\nX-Forwarded-For: unknown\r\n")
}
