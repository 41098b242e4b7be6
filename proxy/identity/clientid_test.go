package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/http1/http1test"
)

func hashed(value string) string {
	sum := sha256.Sum256([]byte(value))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func TestClientIDByAddress(t *testing.T) {
	f := func(want, addr string) {
		t.Helper()
		h := http1test.Request(t, http1test.Get("X-Api-Key: k"))
		id := netip.MustParseAddr(addr)
		assert.Equal(t, want, string(mustKey(t, "ip", true).AppendClientID(nil, h, id, nil)))
		assert.Equal(t, "ip:"+want, string(mustKey(t, "header:Other", true).AppendClientID(nil, h, id, nil)))
	}
	f("198.51.100.4", "198.51.100.4")
	f("198.51.100.4", "::ffff:198.51.100.4")
	f("2001:db8:1:2::/64", "2001:db8:1:2:3:4:5:6")
	f("2001:db8:1:2::/64", "2001:db8:1:2::")
	f("fe80::1", "fe80::1%eth0")
	f("febf:1::2", "febf:1::2")
	f("::/64", "::1")
	f("198.51.100.4", "64:ff9b::198.51.100.4")
	f("198.51.100.5", "64:ff9b::c633:6405")
	f("64:ff9b:0:1::/64", "64:ff9b:0:1::c633:6405")
	f("64:ff9b:1::/64", "64:ff9b:1::c633:6405")
	f("198.51.100.4", "2002:c633:6404:1:2:3:4:5")
	f("2003:c633:6404:1::/64", "2003:c633:6404:1::1")
	assert.Equal(t, "unknown", string(Key{}.AppendClientID(nil, http1test.Request(t, http1test.Get()), netip.Addr{}, nil)))
}

func TestClientIDByHeader(t *testing.T) {
	peer := netip.MustParseAddr("192.0.2.1")
	f := func(want string, fields ...string) {
		t.Helper()
		h := http1test.Request(t, http1test.Get(fields...))
		assert.Equal(t, want, string(mustKey(t, "header:X-Api-Key", false).AppendClientID(nil, h, peer, nil)), "%q", fields)
	}
	f("abc", "X-Api-Key: abc")
	f("abc", "A: b", "x-API-key:\t abc \t", "C: d")
	f("a, b", "X-Api-Key: a, b")
	f("caf\u00e9 \"x\" \\", "X-Api-Key: caf\u00e9 \"x\" \\")
	f(strings.Repeat("x", 256), "X-Api-Key: "+strings.Repeat("x", 256))
	f("SHA256:x", "X-Api-Key: SHA256:x")
	f("ip", "X-Api-Key: ip")

	f("ip:192.0.2.1")
	f("ip:192.0.2.1", "X-Api-Key:")
	f("ip:192.0.2.1", "X-Api-Key: \t ")
	f("ip:192.0.2.1", "X_Api_Key: abc", "X-Api-Keys: abc")

	f(hashed("ip:192.0.2.1"), "X-Api-Key: ip:192.0.2.1")
	f(hashed("sha256:00"), "X-Api-Key: sha256:00")
	f(hashed(strings.Repeat("x", 257)), "X-Api-Key: "+strings.Repeat("x", 257))
	f(hashed("\xff"), "X-Api-Key: \xff")
	f(hashed("a\tb"), "X-Api-Key: a\tb")
	f(hashed("a\u0085b"), "X-Api-Key: a\u0085b")

	f(hashed("a\x00b"), "X-Api-Key: a", "x-api-key: b")
	f(hashed("b\x00a"), "X-Api-Key: b", "x-api-key: a")
	f(hashed("a\x00a"), "X-Api-Key: a", "X-Api-Key: a")
	f(hashed("a\x00\x00a"), "X-Api-Key: a", "X-Api-Key:", "X-Api-Key: a")
	f(hashed("\x00"), "X-Api-Key:", "X-Api-Key:")
}

// How much of an address counts is the key's to say.
func TestClientIDByNetwork(t *testing.T) {
	f := func(spec, want, addr string) {
		t.Helper()
		key := mustKey(t, spec, false)
		assert.Equal(t, want, string(key.AppendClientID(nil, http1test.Request(t, http1test.Get()), netip.MustParseAddr(addr), nil)))
		assert.Equal(t, want, key.ClientID(addr))
		assert.Equal(t, want, key.ClientID(want))
	}
	f("ip/48", "2001:db8:1::/48", "2001:db8:1:2::3")
	f("ip/48", "198.51.100.4", "198.51.100.4")
	f("ip/128", "2001:db8::1", "2001:db8::1")
	f("ip/64,24", "2001:db8:1:2::/64", "2001:db8:1:2::3")
	f("ip/64,24", "198.51.100.0/24", "198.51.100.4")
	f("ip/64,24", "198.51.100.0/24", "64:ff9b::198.51.100.4")
	f("ip/64,24", "198.51.100.0/24", "2002:c633:6404::1")
	f("ip/64,24", "198.51.100.0/24", "::ffff:198.51.100.4")
	f("ip/48,24", "fe80::1", "fe80::1")
	f("ip/48,24", "169.254.1.2", "169.254.1.2")
}

// Headers that mean something to others besides.
func TestClientIDByAnyHeader(t *testing.T) {
	for _, name := range []string{"User-Agent", "Content-Type", "Cookie", "Authorization"} {
		key := mustKey(t, "header:"+name, false)
		h := http1test.Request(t, "GET / HTTP/1.0\r\n"+strings.ToLower(name)+": abc\r\n\r\n")
		assert.Equal(t, "abc", string(key.AppendClientID(nil, h, netip.Addr{}, nil)), name)
		h = http1test.Request(t, "GET / HTTP/1.0\r\n"+name+": abc\r\n"+strings.ToLower(name)+": def\r\n\r\n")
		assert.Equal(t, hashed("abc\x00def"), string(key.AppendClientID(nil, h, netip.Addr{}, nil)), name)
	}
}

func TestClientIDOfSecrets(t *testing.T) {
	key := mustKey(t, "header:X-Api-Key", true)
	peer := netip.MustParseAddr("192.0.2.1")
	f := func(want string, fields ...string) {
		t.Helper()
		assert.Equal(t, want, string(key.AppendClientID(nil, http1test.Request(t, http1test.Get(fields...)), peer, nil)))
	}
	f(hashed("abc"), "X-Api-Key: abc")
	f(hashed("sha256:00"), "X-Api-Key: sha256:00")
	f(hashed("ip:192.0.2.1"), "X-Api-Key: ip:192.0.2.1")
	f(hashed("a\x00b"), "X-Api-Key: a", "X-Api-Key: b")
	f("ip:192.0.2.1")
}

func TestOperatorsClientID(t *testing.T) {
	f := func(spec string, secret bool, raw, want string) {
		t.Helper()
		key := mustKey(t, spec, secret)
		assert.Equal(t, want, key.ClientID(raw))
		assert.Equal(t, want, key.ClientID(want), "what is canonical stays")
	}
	f("header:K", true, "abc", hashed("abc"))
	f("header:K", true, hashed("abc"), hashed("abc"))
	f("header:K", true, "ip:198.51.100.4", "ip:198.51.100.4")
	f("header:K", false, "abc", "abc")
	f("header:K", false, "sha256:x", "sha256:x")
	f("header:K", false, "2001:db8::1", "2001:db8::1")
	for _, secret := range []bool{false, true} {
		f("header:K", secret, "ip:2001:DB8:1:2:3::4", "ip:2001:db8:1:2::/64")
		f("ip", secret, "198.51.100.4", "198.51.100.4")
		f("ip", secret, "::ffff:198.51.100.4", "198.51.100.4")
		f("ip", secret, "198.51.100.4/32", "198.51.100.4")
		f("ip", secret, "2001:DB8:1:2:3::4", "2001:db8:1:2::/64")
		f("ip", secret, "2001:db8:1:2:3::/64", "2001:db8:1:2::/64")
		f("ip", secret, "2001:db8:1::/48", "2001:db8:1::/48")
		f("ip", secret, "2001:db8:1:2::3/128", "2001:db8:1:2::/64")
		f("ip", secret, "fe80::1%eth0", "fe80::1")
		f("ip", secret, "64:ff9b::c633:6404", "198.51.100.4")
		// Buckets of clients that had one together can still be named.
		f("ip", secret, "fe80::/64", "fe80::/64")
		f("ip", secret, "64:ff9b::/64", "64:ff9b::/64")
		f("ip", secret, "2002:c633:6404:1::/64", "2002:c633:6404:1::/64")
		f("ip", secret, "test1234", "test1234")
		f("ip", secret, "", "")
	}
}

// Operators and clients name the same bucket by the same value.
func TestOperatorsAndClientsAgree(t *testing.T) {
	value := rapid.StringMatching(`[!-~\x{e9}]([ -~\x{e9}]{0,40}[!-~])?`)
	rapid.Check(t, func(t *rapid.T) {
		raw := value.Draw(t, "value")
		if isMade(raw) {
			return // To operators these are what the table shows.
		}
		h := http1test.Request(t, http1test.Get("X-Api-Key: "+raw))
		for _, secret := range []bool{false, true} {
			key := mustKey(t, "header:X-Api-Key", secret)
			require.Equal(t, key.ClientID(raw), string(key.AppendClientID(nil, h, netip.Addr{}, nil)))
		}
		addr := addrs().Draw(t, "addr")
		for _, spec := range []string{"ip", "ip/48", "ip/1,1", "ip/128,24"} {
			key := mustKey(t, spec, false)
			id := string(key.AppendClientID(nil, h, addr, nil))
			require.Equal(t, key.ClientID(addr.String()), id)
			require.Equal(t, id, key.ClientID(id))
		}
	})
}

func TestAppendClientIDKeepsWhatIsThere(t *testing.T) {
	key := mustKey(t, "header:K", false)
	h := http1test.Request(t, http1test.Get("K: a", "K: b"))
	assert.Equal(t, "before"+hashed("a\x00b"), string(key.AppendClientID([]byte("before"), h, netip.Addr{}, nil)))
}

func TestAppendClientIDDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, MaxClientID)
	f := func(key Key, addr string, fields ...string) {
		t.Helper()
		h, peer := http1test.Request(t, http1test.Get(fields...)), netip.MustParseAddr(addr)
		assert.Zero(t, testing.AllocsPerRun(100, func() { dst = key.AppendClientID(dst[:0], h, peer, nil) }))
	}
	f(Key{}, "198.51.100.4")
	f(Key{}, "2001:db8::1")
	f(Key{}, "2002:db8::1")
	f(mustKey(t, "ip/48,24", false), "198.51.100.4")
	header := mustKey(t, "header:X-Api-Key", false)
	f(header, "198.51.100.4")
	f(header, "198.51.100.4", "X-Api-Key: "+strings.Repeat("x", 256))
	f(header, "198.51.100.4", "X-Api-Key: "+strings.Repeat("x", 5000))
	f(header, "198.51.100.4", "X-Api-Key: a", "x-api-key: b")
	f(mustKey(t, "header:X-Api-Key", true), "198.51.100.4", "X-Api-Key: abc")
}

func FuzzAppendClientID(f *testing.F) {
	f.Add("abc", "", false)
	f.Add("ip:192.0.2.1", "sha256:x", true)
	f.Add("\xff", "\u0085", false)
	addr := netip.MustParseAddr("2001:db8::1")
	f.Fuzz(func(t *testing.T, first, second string, secret bool) {
		fields := []string{"X-Api-Key: " + first}
		if second != "" {
			fields = append(fields, "x-api-key: "+second)
		}
		h := http1test.Parse(http1test.Get(fields...))
		if h == nil {
			return
		}
		id := string(mustKey(t, "header:X-Api-Key", secret).AppendClientID(nil, h, addr, nil))
		require.True(t, utf8.ValidString(id))
		require.True(t, 1 <= len(id) && len(id) <= MaxClientID)
		require.Negative(t, strings.IndexFunc(id, unicode.IsControl))
		if strings.HasPrefix(id, "ip:") {
			require.Equal(t, "ip:2001:db8::/64", id)
			require.Empty(t, strings.Trim(first, " \t"))
		}
		if strings.HasPrefix(id, "sha256:") {
			require.Len(t, id, len("sha256:")+2*sha256.Size)
		}
	})
}
