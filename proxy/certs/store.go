package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"time"
)

// Store has the certificates in force. Its methods may be called concurrently.
type Store struct {
	set    atomic.Pointer[Set]
	source atomic.Pointer[Source]
}

// NewStore makes a store with a first set.
func NewStore(first *Set) *Store {
	s := &Store{}
	s.Use(first)
	return s
}

// Use has the handshakes that begin from now on get certificates of a set.
func (s *Store) Use(set *Set) { s.set.Store(set) }

// GetCertificate is tls.Config's. Without a certificate for the name, crypto/tls sends the alert
// unrecognized_name, if the Config has no Certificates.
func (s *Store) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	set, source := s.set.Load(), s.source.Load()
	if c := set.named(hello); c != nil {
		return &c.pair, nil
	}
	if source != nil && (hello.ServerName != "" || len(set.all) == 0) {
		if c, err := (*source).Certificate(hello); c != nil || err != nil {
			if c != nil && c.PrivateKey == nil {
				fails(hello, "the certificate for %q isn't issued yet")
			}
			return c, err
		}
	}
	if c := set.other(hello); c != nil {
		return &c.pair, nil
	}
	fails(hello, "no certificate is for %q")
	return nil, nil
}

// fails tells a connection why its handshake is about to fail, in a format with the name that the
// client asks for. What crypto/tls says of it doesn't name it.
func fails(hello *tls.ClientHelloInfo, format string) {
	if conn, ok := hello.Conn.(interface{ Fails(reason error) }); ok {
		conn.Fails(fmt.Errorf(format, hello.ServerName))
	}
}

// Status is what is known of a certificate, for operators.
type Status struct {
	// Names are the hosts and addresses that it is for.
	Names []string
	Files Files
	// Issuer is who signed it, and KeyKind the kind of its key, such as "ECDSA P-256".
	Issuer, KeyKind     string
	NotBefore, NotAfter time.Time
	// DaysLeft is how many whole days it is still good for; negative if it has expired.
	DaysLeft int
	// Default reports that it is served for names that none is for.
	Default bool
	// Faults are what clients may refuse it for.
	Faults []string
}

// StatusOf is what is known of a certificate that wasn't loaded from files.
func StatusOf(leaf *x509.Certificate, now time.Time) Status {
	return Status{
		Names: namesOf(leaf), Issuer: leaf.Issuer.String(), KeyKind: keyKind(leaf.PublicKey),
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, DaysLeft: daysLeft(leaf.NotAfter, now),
	}
}

// Status is what is known of the certificates in force, in their order.
func (s *Store) Status(now time.Time) []Status {
	set := s.set.Load()
	all := make([]Status, len(set.all))
	for i, c := range set.all {
		all[i] = c.Status(now)
		all[i].Default = c == set.standard
	}
	return all
}

// Status is what is known of a certificate, apart from any Set.
func (c *Certificate) Status(now time.Time) Status {
	s := StatusOf(c.chain[0], now)
	s.Files, s.Faults = c.Files, c.Faults(now).texts()
	return s
}
