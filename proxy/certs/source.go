package certs

import (
	"crypto/tls"
	"slices"
)

// Source has certificates that are not in files: those that an authority issues meanwhile.
type Source interface {
	// Certificate returns the one for a client; nil if there is none for the name that it asks for,
	// if any; one without a key if there is to be one later.
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// Proof returns what proves, in the handshake of a challenge, that the certificate for a name
	// was asked for. It may wait for a store.
	Proof(name string) (*tls.Certificate, error)
}

// ChallengeProtocol is what an authority offers in the handshake of a challenge, and nothing else
// (ALPN, RFC 8737). It is not spoken: the connection ends after the handshake.
const ChallengeProtocol = "acme-tls/1"

// Ask sets the source that is asked for the names that no certificate of a Set is for, and for
// challenges; nil is none.
func (s *Store) Ask(source Source) {
	if source == nil {
		s.source.Store(nil)
		return
	}
	s.source.Store(&source)
}

// challenge returns what a handshake is made by if it is that of a challenge; nil if it isn't. An
// authority has no certificate of its own, and begins no session.
func (s *Store) challenge(hello *tls.ClientHelloInfo) *tls.Config {
	source := s.source.Load()
	if source == nil || !slices.Equal(hello.SupportedProtos, []string{ChallengeProtocol}) {
		return nil
	}
	proof := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return prove(*source, hello) }
	return &tls.Config{
		GetCertificate: proof, NextProtos: []string{ChallengeProtocol},
		MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
	}
}

// prove asks a source for the proof of a challenge. While the source waits for a store, other
// handshakes may compute.
func prove(source Source, hello *tls.ClientHelloInfo) (proof *tls.Certificate, err error) {
	conn, ok := hello.Conn.(interface{ OutOfTurn(f func()) error })
	if !ok {
		return source.Proof(hello.ServerName)
	}
	if late := conn.OutOfTurn(func() { proof, err = source.Proof(hello.ServerName) }); late != nil {
		return nil, late
	}
	return proof, err
}
