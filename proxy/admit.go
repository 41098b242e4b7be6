package proxy

import (
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/route"
)

// read reads the request's head, and refuses what isn't clearly one. It finds out who sent it.
func (r *request) read() error {
	head, err := r.stream.ReadHead()
	r.result.Head = head
	r.result.Times.Enter(outcome.OwnPart)
	if err != nil {
		r.stream.Last()
		return outcome.OfHead(err)
	}
	r.head.Received = head
	s, who := r.snapshot, &r.result.From
	who.Addr = s.Trusted.ClientAddr(who.Peer, head)
	who.RequestID = s.Trusted.AppendRequestID(who.RequestID[:0], head, who.Peer)
	who.Trace, r.traced = s.Tracing.AppendTrace(who.Trace[:0], head)
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
	r.result.Route, r.result.Traffic = r.chosen.Name, r.chosen.traffic
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
	if err := r.aim(); err != nil {
		return err
	}
	err := r.charge()
	r.stream.Admitted()
	switch {
	case err != nil:
		return err
	case r.endsHere():
		return outcome.Recipient(r.head.Received)
	}
	if r.to != nil {
		r.client = r.identify()
	}
	return nil
}

// aim finds out where the request goes.
func (r *request) aim() error {
	r.compose()
	switch {
	case r.head.Loops():
		return outcome.Looping
	case !r.endsHere() && !r.findDestination():
		return outcome.NoBackend
	}
	return nil
}

// endsHere reports whether we are the request's final recipient (RFC 9110, section 7.6.2).
func (r *request) endsHere() bool { return r.head.Received.MaxForwards == 0 }

// findDestination finds where the request goes. It reports whether somebody healthy is there, or
// the route needs nobody.
func (r *request) findDestination() bool {
	if r.chosen.respondsItself() {
		return true
	}
	to := &r.chosen.Destination
	if split := r.chosen.Split; split != nil {
		to = split.of(r.keyOf(&split.By))
	}
	if r.to = r.chosen.destination(to); r.to == nil {
		return false
	}
	r.head.Host, r.result.Traffic = r.to.Host, r.to.traffic
	return true
}

// charge spends the request's tokens under all limits that count it, or under none of them.
func (r *request) charge() error {
	if err := r.findCharges(); err != nil || len(r.charges.uses) == 0 {
		return err
	}
	allowed := r.chosen.Take(r.charges.uses)
	for i := range r.charges.uses {
		l, d := &r.result.Limits[i], &r.charges.uses[i].Decision
		l.Allowed, l.Shared, l.Near = d.Allowed, d.Shared, d.Near
	}
	r.record.Took(&r.result, allowed)
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
		switch by, ambiguous := r.exemption(use); {
		case ambiguous:
			r.result.Limits = r.result.Limits[:0] // None is asked.
			return r.ambiguous()
		case by != route.None:
			use.takes.Exempt()
		default:
			r.chargeBy(use)
		}
	}
	return nil
}

// exemption is what exempts the request from a limit: see LimitUse.exemption.
func (r *request) exemption(use *LimitUse) (by int, ambiguous bool) {
	return use.exemption(r.head.Received, r.head.Client, &r.path)
}

// chargeBy has a limit count the request.
func (r *request) chargeBy(use *LimitUse) {
	cert := certOf(r.stream.Secured()).identify()
	l := r.result.AddLimit(use.Name, use.takes)
	l.ClientID = use.Key.AppendClientID(l.ClientID[:0], r.head.Received, r.head.Client, cert)
	r.charges.add(use, l.Text())
}
