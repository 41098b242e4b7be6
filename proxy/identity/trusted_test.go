package identity

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func trusting(t require.TestingT, texts ...string) Trusted {
	trusted, err := ParseTrusted(texts)
	require.NoError(t, err)
	return trusted
}

func TestParseTrustedErrors(t *testing.T) {
	f := func(want string, texts ...string) {
		t.Helper()
		_, err := ParseTrusted(texts)
		assert.EqualError(t, err, want)
	}
	const wanted = "want an address, or a network such as 10.0.0.0/8 or 2001:db8::/32"
	f(`trusted proxy "": `+wanted, "")
	f(`trusted proxy "localhost": `+wanted, "localhost")
	f(`trusted proxy "10.0.0.0/33": `+wanted, "10.0.0.0/33")
	f(`trusted proxy "10.0.0.1:80": `+wanted, "10.0.0.1:80")
	f(`trusted proxy "fe80::1%eth0": `+wanted, "fe80::1%eth0")
	f(`trusted proxy "10.0.0.1/8": bits are set behind the prefix; want 10.0.0.0/8, or a longer prefix`, "10.0.0.1/8")
	f(`trusted proxy "::ffff:10.0.0.1/104": bits are set behind the prefix; want 10.0.0.0/8, or a longer prefix`, "::ffff:10.0.0.1/104")
	f("trusted proxy \"a\": "+wanted+"\ntrusted proxy \"b\": "+wanted, "a", "10.0.0.1", "b")
}

func TestTrustedContains(t *testing.T) {
	trusted := trusting(t, "192.0.2.7", "10.0.0.0/8", "10.1.0.0/16", "10.200.0.0/16", "2001:db8::/32", "2001:db8:1::/48", "::ffff:198.51.100.0/120", "203.0.113.0/25", "::1")
	f := func(want bool, addrs ...string) {
		t.Helper()
		for _, addr := range addrs {
			assert.Equal(t, want, trusted.Contains(netip.MustParseAddr(addr)), addr)
		}
	}
	f(true, "192.0.2.7", "::ffff:192.0.2.7", "10.0.0.0", "10.1.2.3", "10.2.3.4", "10.255.255.255", "2001:db8::1", "2001:db8:2::1%eth0", "198.51.100.9", "203.0.113.127", "::1")
	f(false, "192.0.2.6", "192.0.2.8", "9.255.255.255", "11.0.0.0", "2001:db7::1", "2001:db9::1", "198.51.101.0", "203.0.113.128", "::2", "::", "0.0.0.1")
	assert.False(t, trusted.Contains(netip.Addr{}))
	assert.False(t, Trusted{}.Contains(netip.MustParseAddr("127.0.0.1")))
}

// The binary search finds what a look at every network finds.
func TestTrustedContainsWhatANetworkDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
			return netip.PrefixFrom(addrs().Draw(t, "addr"), rapid.IntRange(0, 8).Draw(t, "bits")+24).Masked()
		})
		prefixes := rapid.SliceOf(prefix).Draw(t, "networks")
		texts := make([]string, len(prefixes))
		for i, p := range prefixes {
			texts[i] = p.String()
		}
		addr := addrs().Draw(t, "addr")
		want := false
		for _, p := range prefixes {
			want = want || p.Contains(addr)
		}
		require.Equal(t, want, trusting(t, texts...).Contains(addr))
	})
}

// addrs draws from few enough for networks to meet them, and each other.
func addrs() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		low := rapid.Uint8().Draw(t, "low")
		if rapid.Bool().Draw(t, "v6") {
			return netip.AddrFrom16([16]byte{0: 10, 3: low})
		}
		return netip.AddrFrom4([4]byte{10, 0, 0, low})
	})
}
