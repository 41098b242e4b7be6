package certs

import (
	"crypto/elliptic"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// handshake makes one over loopback, and sends a byte each way, so that the client has its ticket.
func handshake(t *testing.T, server, client *tls.Config) (of bothSides, err error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	type side struct {
		state tls.ConnectionState
		err   error
	}
	served := make(chan side, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			served <- side{err: err}
			return
		}
		defer conn.Close()
		secure := tls.Server(conn, server)
		if err = secure.Handshake(); err == nil {
			_, err = secure.Write([]byte("x"))
		}
		if err == nil {
			_, err = secure.Read(make([]byte, 1))
		}
		served <- side{secure.ConnectionState(), err}
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	secure := tls.Client(conn, client)
	if err = secure.Handshake(); err == nil {
		_, err = secure.Read(make([]byte, 1))
	}
	if err == nil {
		_, err = secure.Write([]byte("x"))
	}
	of.client = secure.ConnectionState()
	_ = conn.Close()
	s := <-served
	of.server = s.state
	if err == nil {
		require.NoError(t, s.err)
	}
	return of, err
}

// bothSides are what the two sides know of a handshake.
type bothSides struct{ server, client tls.ConnectionState }

var plain = Policy{MinVersion: tls.VersionTLS12}

// A name gets its certificate, and a name that none is for gets the default or an alert.
func TestNames(t *testing.T) {
	ca := tlstest.NewCA(t)
	site, wild, both := ca.Issue("site.test", "192.0.2.1"), ca.Issue("*.site.test"), ca.Issue("both.test", "*.Both.test", "a.site.test")
	all := []*Certificate{loaded(t, site), loaded(t, wild), loaded(t, both)}
	f := func(set *Set, name string, want *tls.Certificate) {
		t.Helper()
		server := NewServer(set)
		got, err := handshake(t, server.Listener(plain, nil).Config, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if want == nil {
			assert.EqualError(t, err, "remote error: tls: unrecognized name")
			return
		}
		require.NoError(t, err)
		assert.Equal(t, want.Leaf.DNSNames, got.client.PeerCertificates[0].DNSNames)
		assert.True(t, got.client.PeerCertificates[0].Equal(want.Leaf))
	}
	set := NewSet(all, nil)
	f(set, "site.test", &site)
	f(set, "SITE.test", &site)
	f(set, "b.site.test", &wild)
	f(set, "a.site.test", &both)
	f(set, "x.both.test", &both)
	f(set, "a.b.site.test", nil)
	f(set, "test", nil)
	f(set, "other.test", nil)
	f(set, "", &site)
	set = NewSet(all, all[2])
	f(set, "other.test", &both)
	f(set, "a.b.site.test", &both)
	f(set, "", &both)
	f(set, "site.test", &site)
	f(NewSet(nil, nil), "", nil)
	f(NewSet(nil, nil), "site.test", nil)
}

// Of two kinds of key for a name, a client gets the first that it knows.
func TestKindsOfKeys(t *testing.T) {
	ca := tlstest.NewCA(t)
	ec := loaded(t, ca.IssueFor(ecKey(t, elliptic.P256()), unchanged, "a.test"))
	rsa := loaded(t, ca.IssueFor(rsaKey(t, 2048), unchanged, "a.test"))
	f := func(want string, suite uint16, all ...*Certificate) {
		t.Helper()
		client := &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}
		if suite != 0 {
			client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{suite}
		}
		got, err := handshake(t, NewServer(NewSet(all, nil)).Listener(plain, nil).Config, client)
		require.NoError(t, err)
		assert.Equal(t, want, keyKind(got.client.PeerCertificates[0].PublicKey))
	}
	f("ECDSA P-256", 0, ec, rsa)
	f("RSA 2048", 0, rsa, ec)
	f("RSA 2048", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, ec, rsa)
	f("ECDSA P-256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, rsa, ec)
}

// The second certificate of a kind for a name would never be used.
func TestNameTwice(t *testing.T) {
	ca := tlstest.NewCA(t)
	first, second := loaded(t, ca.Issue("a.test")), loaded(t, ca.Issue("A.test", "b.test"))
	rsa := loaded(t, ca.IssueFor(rsaKey(t, 2048), unchanged, "a.test"))
	faults := NewSet([]*Certificate{first, second, rsa}, nil).Faults(time.Now())
	require.Len(t, faults, 3)
	assert.Equal(t, first.Faults(time.Now()), faults[0])
	assert.Contains(t, faults[1], Fault{false, second.Files.Cert + ": a certificate for A.test with a key of the same kind, ECDSA, is in " +
		first.Files.Cert + " too, which is used for it; want one of them"})
	assert.Equal(t, rsa.Faults(time.Now()), faults[2])
}

func TestStatus(t *testing.T) {
	now := time.Now()
	ca := tlstest.NewCA(t).Below()
	a, b := loaded(t, ca.Issue("a.test", "192.0.2.1")), loaded(t, ca.IssueExpired("*.b.test"))
	got := NewStore(NewSet([]*Certificate{a, b}, b)).Status(now)
	require.Len(t, got, 2)
	assert.Equal(t, []string{"a.test", "192.0.2.1"}, got[0].Names)
	assert.Equal(t, a.Files, got[0].Files)
	assert.Equal(t, "CN=intermediate", got[0].Issuer)
	assert.Equal(t, "ECDSA P-256", got[0].KeyKind)
	assert.Equal(t, a.chain[0].NotAfter, got[0].NotAfter)
	assert.Equal(t, 0, got[0].DaysLeft)
	assert.False(t, got[0].Default)
	assert.True(t, got[1].Default)
	assert.Equal(t, -1, got[1].DaysLeft)
	assert.Contains(t, got[1].Faults[0], "expired")
}
