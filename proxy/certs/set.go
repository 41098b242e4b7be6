package certs

import (
	"crypto/tls"
	"strings"
	"time"
)

// Set are certificates by the names that they are for. It is immutable.
type Set struct {
	all []*Certificate
	// exact are those for a name, below those for the names with one label more than the key.
	exact, below map[string][]*Certificate
	// standard is for names that none is for; nil if there is no such.
	standard *Certificate
}

// NewSet makes a set of certificates, the preferred ones of a name first. standard is the default,
// which is among them; nil is none.
func NewSet(all []*Certificate, standard *Certificate) *Set {
	s := &Set{all: all, standard: standard, exact: map[string][]*Certificate{}, below: map[string][]*Certificate{}}
	for _, c := range all {
		for _, name := range c.chain[0].DNSNames {
			name = strings.ToLower(name)
			if parent, wild := strings.CutPrefix(name, "*."); wild {
				s.below[parent] = append(s.below[parent], c)
			} else {
				s.exact[name] = append(s.exact[name], c)
			}
		}
	}
	return s
}

// named returns the certificate for the name that a client asks for; nil if there is none.
func (s *Set) named(hello *tls.ClientHelloInfo) *Certificate {
	name := strings.ToLower(hello.ServerName)
	if c := supported(s.exact[name], hello); c != nil {
		return c
	}
	_, parent, _ := strings.Cut(name, ".")
	return supported(s.below[parent], hello)
}

// other returns the certificate for a client that asks for no name, or for one that none is for;
// nil if there is no such.
func (s *Set) other(hello *tls.ClientHelloInfo) *Certificate {
	if s.standard == nil && hello.ServerName == "" && len(s.all) > 0 {
		return s.all[0]
	}
	return s.standard
}

// supported returns the first certificate that the client supports. If it supports none, that is
// the first, so that the handshake fails with the reason.
func supported(of []*Certificate, hello *tls.ClientHelloInfo) *Certificate {
	if len(of) == 0 {
		return nil
	}
	for _, c := range of {
		if len(of) == 1 || hello.SupportsCertificate(&c.pair) == nil {
			return c
		}
	}
	return of[0]
}

// Faults are those of each certificate, in their order: see Certificate.Faults. Of several with the
// same kind of key for a name, only the first is ever used.
func (s *Set) Faults(now time.Time) []Faults {
	all := make([]Faults, len(s.all))
	type use struct{ name, kind string }
	first := map[use]*Certificate{}
	for i, c := range s.all {
		all[i] = c.Faults(now)
		for _, name := range c.chain[0].DNSNames {
			u := use{strings.ToLower(name), c.kind()}
			if other := first[u]; other != nil && other != c {
				all[i].add(false, "%s: a certificate for %s with a key of the same kind, %s, is in %s too, which is used for it; want one of them",
					c.Files.Cert, name, u.kind, other.Files.Cert)
				continue
			}
			first[u] = c
		}
	}
	return all
}

// kind is the kind of its key, without its size.
func (c *Certificate) kind() string {
	kind, _, _ := strings.Cut(keyKind(c.chain[0].PublicKey), " ")
	return kind
}
