package certs

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// issued is a source of certificates by name.
type issued map[string]tls.Certificate

var errNone = errors.New("no challenge is known")

func (s issued) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c, ok := s[hello.ServerName]; ok {
		return &c, nil
	}
	return nil, nil
}

func (s issued) Proof(name string) (*tls.Certificate, error) {
	if c, ok := s[name]; ok {
		return &c, nil
	}
	return nil, errNone
}

// A source is asked for names that no file is for, before the default. Files come first.
func TestSource(t *testing.T) {
	ca := tlstest.NewCA(t)
	files, standard := loaded(t, ca.Issue("a.test", "*.w.test")), loaded(t, ca.Issue("default.test"))
	source := issued{"": ca.Issue("first.test"), "a.test": ca.Issue("issued.test"), "b.test": ca.Issue("b.test"), "x.w.test": ca.Issue("x.w.test")}
	gets := func(s *Store, name string) string {
		t.Helper()
		c, err := s.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
		require.NoError(t, err)
		if c == nil {
			return ""
		}
		return c.Leaf.DNSNames[0]
	}
	s := NewStore(NewSet([]*Certificate{files}, nil))
	assert.Empty(t, gets(s, "b.test"))
	s.Ask(source)
	assert.Equal(t, "a.test", gets(s, "a.test"))
	assert.Equal(t, "a.test", gets(s, "x.w.test"))
	assert.Equal(t, "b.test", gets(s, "b.test"))
	assert.Equal(t, "a.test", gets(s, ""), "the first, as without a source")
	assert.Empty(t, gets(s, "c.test"))
	s.Use(NewSet([]*Certificate{files, standard}, standard))
	assert.Equal(t, "b.test", gets(s, "b.test"))
	assert.Equal(t, "default.test", gets(s, "c.test"))
	assert.Equal(t, "default.test", gets(s, ""))
	s.Use(NewSet(nil, nil))
	assert.Equal(t, "first.test", gets(s, ""))
	s.Ask(nil)
	assert.Empty(t, gets(s, ""))
}

// The handshake of a challenge is the source's alone. No client with other protocols makes one.
func TestChallengeHandshake(t *testing.T) {
	ca := tlstest.NewCA(t)
	server := NewServer(NewSet([]*Certificate{loaded(t, ca.Issue("a.test"))}, nil))
	config := server.Listener(plain, nil, "http/1.1").Config
	asks := func(name string, protocols ...string) (tls.ConnectionState, error) {
		t.Helper()
		of, err := handshake(t, config, &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: true})
		return of.client, err
	}
	_, err := asks("a.test", ChallengeProtocol)
	require.ErrorContains(t, err, "no application protocol", "nobody asked for a certificate")
	server.Ask(issued{"a.test": ca.Issue("proof.test")})
	state, err := asks("a.test", ChallengeProtocol)
	require.NoError(t, err)
	assert.Equal(t, []string{"proof.test"}, state.PeerCertificates[0].DNSNames)
	_, err = asks("b.test", ChallengeProtocol)
	require.Error(t, err)
	state, err = asks("a.test", "http/1.1", ChallengeProtocol)
	require.NoError(t, err)
	assert.Equal(t, "http/1.1", state.NegotiatedProtocol)
	assert.Equal(t, []string{"a.test"}, state.PeerCertificates[0].DNSNames)
}

// turned is a connection that counts what is done out of its turn, and is told why a handshake
// fails.
type turned struct {
	net.Conn
	n    int
	late error
	// failed is why the handshake fails.
	failed error
}

func (t *turned) Fails(reason error) { t.failed = reason }

func (t *turned) OutOfTurn(f func()) error {
	t.n++
	f()
	return t.late
}

// A source may wait for a store when it is asked for a proof, so it is asked out of turn.
func TestChallengeOutOfTurn(t *testing.T) {
	ca := tlstest.NewCA(t)
	s := NewStore(NewSet(nil, nil))
	s.Ask(issued{"a.test": ca.Issue("proof.test")})
	conn := &turned{}
	hello := &tls.ClientHelloInfo{ServerName: "a.test", SupportedProtos: []string{ChallengeProtocol}, Conn: conn}
	proof, err := s.challenge(hello).GetCertificate(hello)
	require.NoError(t, err)
	assert.Equal(t, []string{"proof.test"}, proof.Leaf.DNSNames)
	assert.Equal(t, 1, conn.n)
	conn.late = errNone
	_, err = s.challenge(hello).GetCertificate(hello)
	assert.Equal(t, errNone, err)
}

// A handshake without a certificate fails with a reason that names the host.
func TestFails(t *testing.T) {
	s := NewStore(NewSet([]*Certificate{loaded(t, tlstest.NewCA(t).Issue("a.test"))}, nil))
	s.Ask(issued{"b.test": tls.Certificate{}})
	for name, want := range map[string]string{
		"a.test": "", "": "", "b.test": `the certificate for "b.test" isn't issued yet`, "c.test": `no certificate is for "c.test"`,
	} {
		conn := &turned{}
		_, err := s.GetCertificate(&tls.ClientHelloInfo{ServerName: name, Conn: conn})
		require.NoError(t, err)
		if want == "" {
			assert.NoError(t, conn.failed, name)
		} else {
			assert.EqualError(t, conn.failed, want)
		}
	}
}
