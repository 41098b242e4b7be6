package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	clear  = "[[listeners]]\nlisten = \":80\"\n"
	secure = "[[listeners]]\nlisten = \":443\"\ntls = true\n"
	cert   = "[[tls.certificates]]\ncert = \"a.pem\"\nkey = \"a.key\"\n"
)

func TestListenerMistakes(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		refused(t, pool+lines, want...)
	}
	f("[server]\nlisten = \":8000\"\n"+clear,
		"c.toml:4: server.listen: means nothing with [[listeners]], which have addresses of their own; want one or the other")
	f("[[listeners]]\nlisten = \"80\"\n", `c.toml:4: listeners[0].listen: "80": no port; want HOST:PORT or :PORT, such as "127.0.0.1:8080" or ":8000"`)
	f("[[listeners]]\n", `c.toml:3: listeners[0]: has no address; want listen = HOST:PORT or :PORT, such as ":443"`)
	f(clear+"[[listeners]]\nlisten = \"127.0.0.1:80\"\n[admin]\nlisten = \"localhost:80\"\n",
		`c.toml:6: listeners[1].listen: "127.0.0.1:80" is taken by listeners[0].listen, ":80"; want another port`,
		`c.toml:8: admin.listen: "localhost:80" is taken by listeners[0].listen, ":80"; want another port`)
	f(secure, "c.toml:5: listeners[0].tls: needs a certificate; want [[tls.certificates]] with cert and key, or tls.acme.domains")
	f(clear+cert, "c.toml:5: tls.certificates: mean nothing without a listener with TLS; want tls = true in one of [[listeners]]")
	f(clear+"[[tls.hosts]]\nhost = \"a.test\"\n", "c.toml:5: tls.hosts: mean nothing without a listener with TLS; want tls = true in one of [[listeners]]")
	f(secure+"redirect_https = true\n"+cert,
		"c.toml:6: listeners[0].redirect_https: means nothing with tls = true, since clients are there by https already; want it on a listener without tls")
	f(clear+"redirect_port = 8443\n", "c.toml:5: listeners[0].redirect_port: means nothing without redirect_https = true")
	f(clear+"redirect_https = true\nredirect_port = 65536\n", "c.toml:6: listeners[0].redirect_port: 65536 is out of range; want 1 to 65535")
	f(clear+"hsts = \"max-age=1\"\nmin_version = \"1.3\"\nclient_auth = \"require\"\nclient_ca = \"ca.pem\"\n",
		"c.toml:5: listeners[0].hsts: means nothing without tls = true",
		"c.toml:6: listeners[0].min_version: means nothing without tls = true",
		"c.toml:7: listeners[0].client_auth: means nothing without tls = true",
		"c.toml:8: listeners[0].client_ca: means nothing without tls = true")
	f(secure+"min_version = \"1.1\"\nclient_auth = \"yes\"\n"+cert,
		`c.toml:6: listeners[0].min_version: unexpected "1.1"; want 1.2 or 1.3`,
		`c.toml:7: listeners[0].client_auth: unexpected "yes"; want off, request or require`)
	f(secure+"client_auth = \"request\"\n"+cert,
		`c.toml:6: listeners[0].client_auth: "request" needs the authorities that clients' certificates must be from; want listeners[0].client_ca too`)
	f(clear+"proxy_protocol = [\"10.0.0.0/8\", \"10.0.0.1/8\", \"lb\"]\n",
		`c.toml:5: listeners[0].proxy_protocol[1]: unexpected network "10.0.0.1/8": bits are set behind the prefix; want 10.0.0.0/8, or a longer prefix`,
		`c.toml:5: listeners[0].proxy_protocol[2]: unexpected network "lb": want an address, or a network such as 10.0.0.0/8 or 2001:db8::/32`)
	f(secure+"client_ca = \"ca.pem\"\n"+cert,
		`c.toml:6: listeners[0].client_ca: means nothing with client_auth = "off"; want "request" or "require", or no client_ca`)
}

func TestProtocols(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		refused(t, pool+lines, want...)
	}
	const noHTTP1 = `listeners[0].protocols: has no "http/1.1", which WebSockets need, and clients that don't speak HTTP/2; want it too`
	f(clear+"protocols = [\"http/1.1\", \"h2\"]\n",
		`c.toml:5: listeners[0].protocols[1]: "h2" is chosen in the handshake of TLS; want tls = true, or "h2c" for clients that speak HTTP/2 in clear unasked`)
	f(secure+"protocols = [\"http/1.1\", \"h2c\"]\n"+cert, `c.toml:6: listeners[0].protocols[1]: "h2c" is HTTP/2 in clear; want "h2" with tls = true`)
	f(secure+"protocols = [\"h2\"]\n"+cert, "c.toml:6: "+noHTTP1)
	f(clear+"protocols = []\n", "c.toml:5: "+noHTTP1)
	f(clear+"protocols = [\"http/1.1\", \"http/1.1\"]\n", `c.toml:5: listeners[0].protocols[1]: "http/1.1" is there already; want each protocol once`)
	f(clear+"protocols = [\"http/1.1\", \"h3\"]\n", `c.toml:5: listeners[0].protocols[1]: unexpected "h3"; want h2, http/1.1 or h2c`)

	is := func(http2 bool, lines string, want ...string) {
		t.Helper()
		c := accepted(t, pool+lines)
		require.Equal(t, want, c.ListenersInForce()[0].Protocols)
		require.Equal(t, http2, c.HasHTTP2())
	}
	is(false, "", "http/1.1")
	is(false, clear, "http/1.1")
	is(true, clear+"protocols = [\"http/1.1\", \"h2c\"]\n", "http/1.1", "h2c")
	is(true, secure+cert, "h2", "http/1.1")
	is(true, secure+"protocols = [\"http/1.1\", \"h2\"]\n"+cert, "http/1.1", "h2")
	is(false, secure+"protocols = [\"http/1.1\"]\n"+cert, "http/1.1")
}

func TestHSTSMistakes(t *testing.T) {
	f := func(value, want string) {
		t.Helper()
		refused(t, pool+secure+"hsts = '"+value+"'\n"+cert, "c.toml:6: listeners[0].hsts: "+want)
	}
	f("includeSubDomains", `"includeSubDomains" has no max-age, or more than one; want one such as "max-age=31536000"`)
	f("max-age=1y", `"max-age=1y" has no max-age, or more than one; want one such as "max-age=31536000"`)
	f("max-age=1; max-age=2", `"max-age=1; max-age=2" has no max-age, or more than one; want one such as "max-age=31536000"`)
	f("31536000", `"31536000": unexpected "31536000"; want max-age=SECONDS, and perhaps includeSubDomains and preload behind semicolons`)
	for _, value := range []string{"max-age=31536000", `max-age="0"`, "includeSubDomains; MAX-AGE=5;preload"} {
		require.Equal(t, value, accepted(t, pool+secure+"hsts = '"+value+"'\n"+cert).Listeners[0].HSTS)
	}
}

func TestCertificateMistakes(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		refused(t, pool+secure+lines, want...)
	}
	f("[[tls.certificates]]\n", "c.toml:6: tls.certificates[0]: has no cert; want the file of the certificate and its chain")
	f(cert+"default = true\n"+cert+"default = true\n", "c.toml:13: tls.certificates[1].default: tls.certificates[0] is the default already; want one at most")
	f(cert+"[[tls.hosts]]\nhost = \"a b\"\n[[tls.hosts]]\nhost = \"*.a.test\"\nclient_auth = \"require\"\n[[tls.hosts]]\nhost = \"*.A.test\"\nclient_ca = \"x\"\n",
		`c.toml:10: tls.hosts[0].host: "a b" is no host's name; want one such as "api.example.com", or "*.example.com" for those below it`,
		`c.toml:13: tls.hosts[1].client_auth: "require" needs the authorities that clients' certificates must be from; want tls.hosts[1].client_ca too`,
		`c.toml:15: tls.hosts[2].host: "*.A.test" has terms above already; want them in one place`,
		`c.toml:16: tls.hosts[2].client_ca: means nothing with client_auth = "off"; want "request" or "require", or no client_ca`)
	f(cert+"[tls]\nmin_version = \"1.4\"\nkeep_sessions = true\nmax_handshakes = -1\nmax_client_handshakes = 2000000\n[store]\ndriver = \"memory\"\n",
		`c.toml:10: tls.min_version: unexpected "1.4"; want 1.2 or 1.3`,
		`c.toml:11: tls.keep_sessions: true with driver = "memory", which forgets everything at every start; want bolt or postgres, or false`,
		"c.toml:12: tls.max_handshakes: -1 is out of range; want 1 to 10000, or 0 for one a processor",
		"c.toml:13: tls.max_client_handshakes: 2000000 is out of range; want 1 to 1000000, or 0 for no bound")
	const kept = cert + "[tls]\nkeep_sessions = true\n[store]\ndriver = \"postgres\"\n"
	f(kept, "c.toml:10: tls.keep_sessions: needs a key that the keys of sessions are sealed with before PostgreSQL has them; want one in EQUALIZER_STORE_KEY or store.key, such as what `openssl rand -base64 32` prints, or false")
	accepted(t, pool+secure+kept+"key = \""+strings.Repeat("a1", 32)+"\"\n")
}

// What listeners leave to others is filled in.
func TestListenersInForce(t *testing.T) {
	c := accepted(t, pool+clear+"redirect_https = true\n"+secure+"[[listeners]]\nlisten = \":8443\"\ntls = true\nmin_version = \"1.2\"\n"+cert+"[tls]\nmin_version = \"1.3\"\n")
	plain, both := []string{"http/1.1"}, []string{"h2", "http/1.1"}
	all := c.ListenersInForce()
	require.Equal(t, []Listener{
		{Listen: ":80", Protocols: plain, RedirectHTTPS: true, RedirectPort: 443, MinVersion: "1.3", ClientAuth: "off"},
		{Listen: ":443", TLS: true, Protocols: both, RedirectPort: 443, MinVersion: "1.3", ClientAuth: "off"},
		{Listen: ":8443", TLS: true, Protocols: both, RedirectPort: 443, MinVersion: "1.2", ClientAuth: "off"},
	}, all)
	require.Equal(t, "listeners[2].listen", c.ListenKey(2))
	require.True(t, c.HasTLS())
	c = accepted(t, pool)
	require.Equal(t, []Listener{{Listen: ":8000", Protocols: plain, MinVersion: "1.2", ClientAuth: "off"}}, c.ListenersInForce())
	require.Equal(t, "server.listen", c.ListenKey(0))
	require.False(t, c.HasTLS())
	require.Equal(t, 443, accepted(t, pool+clear+"redirect_https = true\n").ListenersInForce()[0].RedirectPort)
}
