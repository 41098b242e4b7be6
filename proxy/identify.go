package proxy

import (
	"hash/maphash"

	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
)

// identify finds out who the client is.
func (r *request) identify() error {
	h, s, who := r.head.Received, r.snapshot, &r.result.Client
	trusted := s.Trusted.Contains(who.Peer)
	who.Addr = s.Trusted.ClientAddr(who.Peer, h)
	who.RequestID = identity.AppendRequestID(r.id[:0], h, trusted)
	r.head = rewrite.Request{
		Received:    h,
		Peer:        who.Peer,
		Client:      who.Addr,
		TrustedPeer: trusted,
		Scheme:      "http",
		Key:         r.route.key(),
		Host:        r.route.Host,
		RequestID:   who.RequestID,
		Via:         s.Via,
		Upgrade:     rewrite.PassesUpgrade(h),
	}
	if r.head.Loops() {
		return outcome.Looping
	}
	return nil
}

// holder is whom the pool bounds to a share of a backend's connections: a hash of the client's
// address as the key "ip" has it. A trusted proxy is nobody, which is 0, as it speaks for many; so
// is a client without an address.
func (r *request) holder() uint64 {
	client := r.head.Client
	if !client.IsValid() || r.head.TrustedPeer && r.snapshot.Trusted.Contains(client) {
		return 0
	}
	var buf [64]byte
	return max(1, maphash.Bytes(r.seed, identity.Key{}.AppendClientID(buf[:0], r.head.Received, client)))
}
