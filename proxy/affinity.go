package proxy

import (
	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/identity"
)

// identify is what the pool is told of the request's client.
func (r *request) identify() balancer.Client {
	c := balancer.Client{Holder: r.snapshot.Trusted.Holder(r.seed, r.head.Client, r.head.TrustedPeer)}
	if by := r.to.HashBy; by != nil {
		c.Key = r.keyOf(by)
	}
	if name := r.to.Cookie; name != "" {
		c.Ticket, _ = balancer.ParseTicket(identity.Cookie(r.head.Received.Fields, name))
	}
	return c
}

// keyOf is a hash of what identifies the client.
func (r *request) keyOf(by *identity.Key) uint64 {
	var buf [identity.MaxClientID]byte
	cert := certOf(r.stream.Secured()).identify()
	return balancer.KeyOf(by.AppendClientID(buf[:0], r.head.Received, r.head.Client, cert))
}

// responseLines are the fields of ours in a backend's response: those of the limits, and the cookie
// that has the client come back, unless it is the one that it sent.
func (r *request) responseLines() []byte {
	ticket := r.result.Sent.Backend.Ticket()
	if r.to.Cookie == "" || ticket == nil || *ticket == r.client.Ticket {
		return r.charges.fields
	}
	lines := append(append(r.lines[:0], r.charges.fields...), "Set-Cookie: "...)
	lines = append(append(lines, r.to.Cookie...), '=')
	lines = append(ticket.AppendText(lines), "; Path=/; HttpOnly; SameSite=Lax"...)
	if r.stream.Secured() != nil {
		lines = append(lines, "; Secure"...)
	}
	r.lines = append(lines, "\r\n"...)
	return r.lines
}
