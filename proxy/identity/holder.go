package identity

import (
	"hash/maphash"
	"net/netip"
)

// Holder is whom a pool bounds to a share of a backend's connections: a hash of the client's
// address as the key "ip" has it. client is what ClientAddr returned for a peer. A trusted proxy is
// nobody, which is 0, as it speaks for many; so is a client without an address.
func (t Trusted) Holder(seed maphash.Seed, client netip.Addr, trustedPeer bool) uint64 {
	if !client.IsValid() || trustedPeer && t.Contains(client) {
		return 0
	}
	network := prefixes{}.of(client).Addr().As16()
	return max(1, maphash.Bytes(seed, network[:]))
}
