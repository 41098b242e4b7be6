package identity

import (
	"hash/maphash"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// To tell whose share it is costs no memory, and one /64 is one client.
func TestHolders(t *testing.T) {
	trusted, err := ParseTrusted([]string{"127.0.0.0/8"})
	require.NoError(t, err)
	seed := maphash.MakeSeed()
	holder := func(client string) uint64 {
		addr := netip.MustParseAddr(client)
		assert.Zero(t, testing.AllocsPerRun(100, func() { trusted.Holder(seed, addr, true) }))
		return trusted.Holder(seed, addr, true)
	}
	assert.Equal(t, holder("2001:db8::1"), holder("2001:db8::2"))
	assert.NotEqual(t, holder("2001:db8::1"), holder("2001:db8:0:1::1"))
	assert.NotEqual(t, holder("192.0.2.1"), holder("192.0.2.2"))
	assert.Equal(t, holder("192.0.2.1"), holder("::ffff:192.0.2.1"))
	assert.Zero(t, holder("127.0.0.9"), "a trusted proxy")
	assert.NotZero(t, trusted.Holder(seed, netip.MustParseAddr("127.0.0.9"), false), "one that connected itself")
	assert.Zero(t, trusted.Holder(seed, netip.Addr{}, true), "nobody knows whom")
}
