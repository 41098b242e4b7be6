package proxy

import (
	"hash/maphash"

	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
)

// read reads the request's head, and refuses what isn't clearly one, or has a body that is known to
// be too large.
func (r *request) read() error {
	head, err := r.stream.ReadHead()
	r.result.Head = head
	if err != nil {
		r.stream.Last()
		return headFailure(err)
	}
	r.head.Received = head
	if !r.begin() {
		r.stream.Last()
		return outcome.RefuseSize(head)
	}
	return nil
}

// admit finds out who the client is, and spends the request's tokens once it is known that it can
// be served.
func (r *request) admit() error {
	r.identify()
	final := r.head.Received.MaxForwards == 0
	switch {
	case r.head.Loops():
		return outcome.Looping
	case !final && !r.route.Pool.Healthy():
		return outcome.NoBackend
	}
	allowed := r.take()
	r.stream.Admitted()
	switch {
	case !allowed:
		return outcome.Limited
	case final: // We are its final recipient (RFC 9110, section 7.6.2).
		return outcome.Recipient(r.head.Received)
	}
	r.holder = r.findHolder()
	return nil
}

// identify finds out who the client is.
func (r *request) identify() {
	h, s, who := r.head.Received, r.snapshot, &r.result.From
	trusted := s.Trusted.Contains(who.Peer)
	who.Addr = s.Trusted.ClientAddr(who.Peer, h)
	who.RequestID = identity.AppendRequestID(who.RequestID[:0], h, trusted)
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
}

// take spends a token of the client's under each limit, and reports whether the request may pass.
func (r *request) take() bool {
	for i := range r.route.Limits {
		use, l := &r.route.Limits[i], &r.result.Limit
		l.Name = use.Name
		l.ClientID = use.Key.AppendClientID(l.ClientID[:0], r.head.Received, r.head.Client)
		if l.Allowed = use.take(l.Text(), &r.own); !l.Allowed {
			return false
		}
	}
	return true
}

// findHolder finds out whom the pool bounds to a share of a backend's connections: a hash of the
// client's address as the key "ip" has it. A trusted proxy is nobody, which is 0, as it speaks for
// many; so is a client without an address.
func (r *request) findHolder() uint64 {
	client := r.head.Client
	if !client.IsValid() || r.head.TrustedPeer && r.snapshot.Trusted.Contains(client) {
		return 0
	}
	var buf [64]byte
	return max(1, maphash.Bytes(r.seed, identity.Key{}.AppendClientID(buf[:0], r.head.Received, client)))
}
