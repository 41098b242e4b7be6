package proxy

import (
	"hash/maphash"

	"gopher-equalizer/proxy/identity"
)

// identifyHolder is whom the pool bounds to a share of a backend's connections: a hash of the
// client's address as the key "ip" has it. A trusted proxy is nobody, which is 0, as it speaks for
// many; so is a client without an address.
func (r *request) identifyHolder() uint64 {
	client := r.head.Client
	if !client.IsValid() || r.head.TrustedPeer && r.proxy.settings.Trusted.Contains(client) {
		return 0
	}
	var buf [64]byte
	return max(1, maphash.Bytes(r.proxy.seed, identity.Key{}.AppendClientID(buf[:0], &r.header, client)))
}
