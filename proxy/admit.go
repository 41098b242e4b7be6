package proxy

import (
	"hash/maphash"

	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/route"
)

// read reads the request's head, and refuses what isn't clearly one. It finds out who sent it.
func (r *request) read() error {
	head, err := r.stream.ReadHead()
	r.result.Head = head
	if err != nil {
		r.stream.Last()
		return headFailure(err)
	}
	r.head.Received = head
	s, who := r.snapshot, &r.result.From
	who.Addr = s.Trusted.ClientAddr(who.Peer, head)
	who.RequestID = identity.AppendRequestID(who.RequestID[:0], head, s.Trusted.Contains(who.Peer))
	return nil
}

// choose finds the request's route, and refuses a body that is known to be too large for it.
func (r *request) choose() error {
	h := r.head.Received
	r.path.Read(h.Path)
	found, verdict := r.snapshot.Routes.Match(h.Host, h.Method, &r.path, h.Fields)
	switch verdict {
	case route.NotFound:
		return outcome.NoRoute
	case route.MethodNotAllowed:
		return outcome.WrongMethod
	case route.Ambiguous:
		return r.ambiguous()
	}
	r.chosen = found.Value
	r.result.Route = r.chosen.Name
	if !r.begin() {
		r.stream.Last()
		return outcome.RefuseSize(h)
	}
	return nil
}

// appendAllow writes the methods that have a route where the request's has none.
func (r *request) appendAllow(dst []byte) []byte {
	h := r.head.Received
	return r.snapshot.Routes.AppendAllow(dst, h.Host, &r.path, h.Fields)
}

// ambiguous refuses a request whose path backends may read as that of another route, or as one that
// a limit doesn't count.
func (r *request) ambiguous() error {
	r.stream.Last()
	return outcome.RefusePath(r.head.Received)
}

// admit spends the request's tokens once it is known that it can be served.
func (r *request) admit() error {
	r.compose()
	final := r.head.Received.MaxForwards == 0
	switch {
	case r.loops():
		return outcome.Looping
	case !final && !r.findDestination():
		return outcome.NoBackend
	}
	err := r.charge()
	r.stream.Admitted()
	switch {
	case err != nil:
		return err
	case final: // We are its final recipient (RFC 9110, section 7.6.2).
		return outcome.Recipient(r.head.Received)
	}
	r.holder = r.findHolder()
	return nil
}

// findDestination finds where the request goes. It reports whether somebody healthy is there, or
// the route needs nobody.
func (r *request) findDestination() bool {
	if r.chosen.respondsItself() {
		return true
	}
	if r.to = r.chosen.destination(); r.to == nil {
		return false
	}
	r.head.Host = r.to.Host
	return true
}

// charge spends the request's tokens under all limits that count it, or under none of them.
func (r *request) charge() error {
	if err := r.findCharges(); err != nil || len(r.charges.uses) == 0 {
		return err
	}
	allowed := r.chosen.Take(r.charges.uses)
	for i := range r.charges.uses {
		r.result.Limits[i].Allowed = r.charges.uses[i].Decision.Allowed
	}
	if !allowed || r.chosen.ShowLimits {
		r.charges.fields = r.charges.appendFields(r.charges.fields[:0])
	}
	if !allowed {
		r.charges.refuse(&r.own)
		return outcome.Limited
	}
	return nil
}

// findCharges finds the limits that count the request, and whom they count it for.
func (r *request) findCharges() error {
	for i := range r.chosen.Limits {
		use := &r.chosen.Limits[i]
		exempt, ambiguous := r.exempts(use)
		switch {
		case ambiguous:
			r.result.Limits = r.result.Limits[:0] // None is asked.
			return r.ambiguous()
		case exempt:
			continue
		}
		l := r.result.AddLimit(use.Name)
		l.ClientID = use.Key.AppendClientID(l.ClientID[:0], r.head.Received, r.head.Client)
		r.charges.add(use, l.Text())
	}
	return nil
}

// exempts reports whether a limit doesn't count the request. ambiguous reports that backends may
// read its path as one that the limit counts, and as one that it doesn't.
func (r *request) exempts(u *LimitUse) (exempt, ambiguous bool) {
	h := r.head.Received
	if u.ExemptPreflights && !u.Key.IsAddress() && route.IsPreflight(h.Method, h.Fields) {
		return true, false
	}
	return u.Exempt.Cover(r.head.Client, h.Method, &r.path)
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
