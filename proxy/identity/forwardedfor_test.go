package identity

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/http1/http1test"
)

func TestClientAddr(t *testing.T) {
	trusted := trusting(t, "10.0.0.0/8", "2001:db8::/32")
	f := func(want, peer string, fields ...string) {
		t.Helper()
		got := trusted.ClientAddr(netip.MustParseAddr(peer), http1test.Request(t, http1test.Get(fields...)))
		assert.Equal(t, want, got.String(), "%s %q", peer, fields)
	}
	// An untrusted peer is who it is.
	f("192.0.2.1", "192.0.2.1")
	f("192.0.2.1", "192.0.2.1", "X-Forwarded-For: 198.51.100.4")
	f("192.0.2.1", "::ffff:192.0.2.1", "X-Forwarded-For: 198.51.100.4")
	f("fe80::1", "fe80::1%eth0")
	// The first untrusted from the right.
	f("10.0.0.1", "10.0.0.1")
	f("198.51.100.4", "10.0.0.1", "X-Forwarded-For: 198.51.100.4")
	f("198.51.100.4", "::ffff:10.0.0.1", "x-FORWARDED-for:198.51.100.4")
	f("198.51.100.4", "10.0.0.1", "X-Forwarded-For: 6.6.6.6, 198.51.100.4, 10.0.0.2,2001:db8::1")
	f("198.51.100.4", "10.0.0.1", "X-Forwarded-For: 6.6.6.6", "A: b", "x-forwarded-for: 7.7.7.7,198.51.100.4", "X-Forwarded-For: 10.0.0.3")
	// All are trusted: the leftmost.
	f("10.0.0.3", "10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2")
	// Empty elements count for nothing.
	f("198.51.100.4", "10.0.0.1", "X-Forwarded-For: 198.51.100.4,, ,", "X-Forwarded-For:")
	f("10.0.0.1", "10.0.0.1", "X-Forwarded-For: ,")
	// What is no address ends the walk at the proxy that wrote it.
	f("10.0.0.1", "10.0.0.1", "X-Forwarded-For: 198.51.100.4, unknown")
	f("10.0.0.2", "10.0.0.1", "X-Forwarded-For: 198.51.100.4", "X-Forwarded-For: 6.6.6.6, _hidden, 10.0.0.2")
	f("10.0.0.1", "10.0.0.1", "X-Forwarded-For: \"198.51.100.4\"")
	// Only one name counts.
	f("10.0.0.1", "10.0.0.1", "X_Forwarded_For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Forwarded-Fo: 6.6.6.6")
	f("198.51.100.4", "10.0.0.1", "X-Forwarded-For: 198.51.100.4", "X_Forwarded_For: 6.6.6.6")
	// Forms.
	f("198.51.100.4", "10.0.0.1", "X-Forwarded-For: 198.51.100.4:1234")
	f("198.51.100.4", "10.0.0.1", "X-Forwarded-For: ::ffff:198.51.100.4")
	f("2001:db9::1", "10.0.0.1", "X-Forwarded-For: 2001:db9::1")
	f("2001:db9::1", "10.0.0.1", "X-Forwarded-For: [2001:DB9::1]")
	f("2001:db9::1", "10.0.0.1", "X-Forwarded-For: [2001:db9::1]:1234")
	f("fe80::1", "10.0.0.1", "X-Forwarded-For: [fe80::1%eth0]:1234")
	for _, odd := range []string{"198.51.100.4:", "198.51.100.4:x", "198.51.100.4:123456", "[2001:db9::1", "[2001:db9::1]x", "[2001:db9::1]:", "[]", ":", "198.51.100", "198.51.100.04", "a"} {
		f("10.0.0.1", "10.0.0.1", "X-Forwarded-For: "+odd)
	}
}

func TestClientAddrOfNoAddress(t *testing.T) {
	assert.False(t, trusting(t, "10.0.0.0/8").ClientAddr(netip.Addr{}, http1test.Request(t, http1test.Get())).IsValid())
}

// drawn is a header with anything in it that may say where a request came from.
func drawn() *rapid.Generator[[]string] {
	name := rapid.SampledFrom([]string{"X-Forwarded-For", "x-forwarded-for", "X_Forwarded_For", "Forwarded", "X-Real-IP", "Via"})
	entry := rapid.SampledFrom([]string{"6.6.6.6", "10.0.0.9", "10.0.0.9:80", "2001:db8::9", "[2001:db8::9]:1", "unknown", "", " ", "a,b", "for=1.2.3.4"})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		return name.Draw(t, "name") + ": " + strings.Join(rapid.SliceOfN(entry, 0, 4).Draw(t, "entries"), ",")
	}), 0, 5)
}

func TestWithoutTrustedProxiesNoHeaderCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		peer := addrs().Draw(t, "peer")
		require.Equal(t, peer, Trusted{}.ClientAddr(peer, http1test.Request(t, http1test.Get(drawn().Draw(t, "fields")...))))
	})
}

// Whatever a client sends, behind a trusted proxy that appends the true address it is that address.
func TestClientsCannotChooseTheirAddress(t *testing.T) {
	trusted := trusting(t, "10.0.0.0/8", "2001:db8::/32")
	peer, client := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("198.51.100.4")
	rapid.Check(t, func(t *rapid.T) {
		fields := drawn().Draw(t, "fields")
		// Proxies append a field, or an element to the last field of that name.
		last := -1
		for i, f := range fields {
			if strings.HasPrefix(strings.ToLower(f), "x-forwarded-for:") {
				last = i
			}
		}
		if last >= 0 && rapid.Bool().Draw(t, "element") {
			fields[last] += ", " + client.String()
		} else {
			fields = append(fields, "X-Forwarded-For: "+client.String())
		}
		require.Equal(t, client, trusted.ClientAddr(peer, http1test.Request(t, http1test.Get(fields...))))
	})
}

func TestClientAddrDoesNotAllocate(t *testing.T) {
	trusted := trusting(t, "10.0.0.0/8", "2001:db8::/32")
	peer := netip.MustParseAddr("10.0.0.1")
	h := http1test.Request(t, http1test.Get("X-Forwarded-For: 198.51.100.4, 2001:db8::1", "X-Forwarded-For: [2001:db8::2]:80, 10.0.0.3:80"))
	assert.Zero(t, testing.AllocsPerRun(100, func() { trusted.ClientAddr(peer, h) }))
}

// FuzzClientAddr walks whatever stands in X-Forwarded-For.
func FuzzClientAddr(f *testing.F) {
	f.Add("6.6.6.6, 198.51.100.4:80", "10.0.0.1")
	f.Add("[2001:db8::1]:80,,unknown", "[fe80::1%eth0]")
	f.Add("[", "]")
	trusted := trusting(f, "10.0.0.0/8", "2001:db8::/32")
	peer := netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, first, second string) {
		h := http1test.Parse(http1test.Get("X-Forwarded-For:"+first, "x-forwarded-for:"+second))
		if h == nil {
			return
		}
		client := trusted.ClientAddr(peer, h)
		require.True(t, client.IsValid())
		require.Equal(t, canonical(client), client)
		// It is the peer, or stands there.
		if client != peer && client.Is4() {
			require.Contains(t, first+second, client.String())
		}
	})
}
