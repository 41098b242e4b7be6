package identity

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustKey(t require.TestingT, spec string, secret bool) Key {
	k, err := ParseKey(spec, secret)
	require.NoError(t, err)
	return k
}

func TestParseKey(t *testing.T) {
	for _, spec := range []string{"ip", "ip/48", "ip/1", "ip/128", "ip/64,24", "ip/56,1", "header:X-Api-Key", "header:a", "header:X_odd.Name!", "tls:spki", "tls:san"} {
		for _, secret := range []bool{false, true} {
			assert.Equal(t, spec, mustKey(t, spec, secret).String())
		}
	}
	assert.Equal(t, "ip", Key{}.String())
	assert.Equal(t, Key{}, mustKey(t, "ip", true), "an address is no secret")
	assert.Equal(t, mustKey(t, "tls:san", false), mustKey(t, "tls:san", true), "nor is a certificate")
	for _, same := range []string{"ip/64", "ip/64,32"} {
		assert.Equal(t, Key{}, mustKey(t, same, false))
	}
	assert.Equal(t, "ip/48", mustKey(t, "ip/48,32", false).String())
}

func TestParseKeyErrors(t *testing.T) {
	f := func(spec, want string) {
		t.Helper()
		_, err := ParseKey(spec, false)
		assert.EqualError(t, err, want)
	}
	f("", `unexpected key ""; want ip, header:NAME, tls:spki or tls:san`)
	f("IP", `unexpected key "IP"; want ip, header:NAME, tls:spki or tls:san`)
	f("cookie:a", `unexpected key "cookie:a"; want ip, header:NAME, tls:spki or tls:san`)
	f("tls:cn", `unexpected key "tls:cn"; want ip, header:NAME, tls:spki or tls:san`)
	f("X-Api-Key", `unexpected key "X-Api-Key"; want ip, header:NAME, tls:spki or tls:san`)
	for _, spec := range []string{
		"ip/", "ip64", "ip/0", "ip/129", "ip/-1", "ip/+1", "ip/064", "ip/64,", "ip/64,0", "ip/64,33", "ip/,24", "ip/64, 24", "ip/64,24,8", "ip/a", "ip/ 64", "ip:1",
	} {
		f(spec, `unexpected key "`+spec+`"; want ip, ip/48 with an IPv6 prefix length of 1 to 128, or ip/64,24 with an IPv4 one of 1 to 32 too`)
	}
	f("header:Host", `unexpected key "header:Host": Host says whom a request is for, and an absolute target overrides it; want a header that says who the client is, or ip`)
	f("header:", `unexpected key "header:": "" is no header name; want one such as header:X-Api-Key`)
	f("header:X Api", `unexpected key "header:X Api": "X Api" is no header name; want one such as header:X-Api-Key`)
	f("header: X", `unexpected key "header: X": " X" is no header name; want one such as header:X-Api-Key`)
	f("header:caf\u00e9", "unexpected key \"header:caf\u00e9\": \"caf\u00e9\" is no header name; want one such as header:X-Api-Key")
}

// A header that says something other than who the client is can't be a key, in any spelling. The
// same goes for one that isn't passed on as it came.
func TestHeadersThatAreNoKey(t *testing.T) {
	for _, name := range []string{
		"Host", "Content-Length", "transfer-encoding", "Expect", "Trailer", "Connection", "TE", "Upgrade", "Keep-Alive", "Proxy-Connection",
		"Proxy-Authenticate", "PROXY-AUTHORIZATION", "X-Request-ID", "Date", "Via", "Max-Forwards", "X-Real-IP", "Forwarded", "X-Forwarded-For", "X_Forwarded_For",
		"X-Client-Cert-SPKI-SHA256", "X_Client_Cert_SAN", "Client-Cert", "Client-Cert-Chain",
		"X-Forwarded-Anything", "content_length",
	} {
		_, err := ParseKey("header:"+name, false)
		require.ErrorContains(t, err, "want a header that says who the client is", name)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("ip")
	f.Add("header:X-Api-Key")
	f.Add("header:")
	f.Add("ip/64,24")
	f.Fuzz(func(t *testing.T, spec string) {
		key, err := ParseKey(spec, true)
		if err != nil {
			require.Contains(t, err.Error(), "want")
			return
		}
		again, err := ParseKey(key.String(), true)
		require.NoError(t, err)
		require.Equal(t, key, again)
	})
}
