package certs

import (
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// onEachVersion runs f with a client of each version of TLS that keeps sessions.
func onEachVersion(t *testing.T, f func(t *testing.T, client *tls.Config)) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			f(t, &tls.Config{
				ServerName: "a.test", InsecureSkipVerify: true, MaxVersion: version,
				ClientSessionCache: tls.NewLRUClientSessionCache(1),
			})
		})
	}
}

// resumes makes a handshake, and reports whether it resumed a session.
func resumes(t *testing.T, l *Listener, client *tls.Config) bool {
	t.Helper()
	got, err := handshake(t, l.Config, client)
	require.NoError(t, err)
	require.Equal(t, got.client.DidResume, got.server.DidResume)
	return got.client.DidResume
}

// Certificates are swapped while the sessions that began with others go on, and new clients get the
// new ones. The config of a policy that stays is the same.
func TestSessionOverSwap(t *testing.T) {
	ca := tlstest.NewCA(t)
	onEachVersion(t, func(t *testing.T, client *tls.Config) {
		server := NewServer(NewSet([]*Certificate{loaded(t, ca.Issue("a.test"))}, nil))
		before := server.Listener(plain, nil)
		assert.False(t, resumes(t, before, client))
		assert.True(t, resumes(t, before, client))
		renewed := ca.Issue("a.test", "renewed.test")
		server.Use(NewSet([]*Certificate{loaded(t, renewed)}, nil))
		after := server.Listener(plain, nil)
		assert.Same(t, before.terms.config, after.terms.config)
		assert.True(t, resumes(t, after, client))
		fresh := client.Clone()
		fresh.ClientSessionCache = nil
		got, err := handshake(t, after.Config, fresh)
		require.NoError(t, err)
		assert.True(t, got.client.PeerCertificates[0].Equal(renewed.Leaf))
	})
}

// A session that began where no certificate was asked for, or under other authorities, isn't
// resumed where one is, neither on another listener nor for another host (CVE-2025-68121,
// CVE-2025-23419).
func TestSessionOfAnotherPolicy(t *testing.T) {
	ca, others := tlstest.NewCA(t), tlstest.NewCA(t)
	authorities := func(ca *tlstest.CA) *Authorities {
		a, err := LoadAuthorities(ca.File())
		require.NoError(t, err)
		return a
	}
	require1 := Policy{plain.MinVersion, AuthRequire, authorities(ca)}
	require2 := Policy{plain.MinVersion, AuthRequire, authorities(others)}
	request := Policy{plain.MinVersion, AuthRequest, authorities(ca)}
	onEachVersion(t, func(t *testing.T, client *tls.Config) {
		server := NewServer(NewSet([]*Certificate{loaded(t, ca.Issue("a.test", "*.hosts.test"))}, nil))
		client.Certificates = []tls.Certificate{ca.Issue("client")}
		without := client.Clone()
		without.Certificates = nil
		f := func(first, second *Listener, want map[uint16]string) {
			t.Helper()
			client, without := client.Clone(), without.Clone()
			cache := tls.NewLRUClientSessionCache(10)
			client.ClientSessionCache, without.ClientSessionCache = cache, cache
			begin := client
			if !first.terms.asks() {
				begin = without
			}
			assert.False(t, resumes(t, first, begin))
			assert.True(t, resumes(t, first, begin))
			got, err := handshake(t, second.Config, without)
			if want != nil {
				assert.ErrorContains(t, err, want[client.MaxVersion])
				return
			}
			require.NoError(t, err)
			assert.False(t, got.server.DidResume)
			assert.Empty(t, got.server.VerifiedChains)
		}
		refused := map[uint16]string{tls.VersionTLS12: "handshake failure", tls.VersionTLS13: "certificate required"}
		open := server.Listener(plain, nil)
		required := server.Listener(require1, nil)
		f(open, required, refused)
		f(required, open, nil)
		f(open, server.Listener(request, nil), nil)
		f(server.Listener(request, nil), open, nil)
		f(required, server.Listener(require2, nil), refused)
		f(required, server.Listener(plain, map[string]Policy{"a.test": require2}), refused)

		// The same policy is the same, wherever it stands.
		host := server.Listener(plain, map[string]Policy{"*.test": require1})
		assert.False(t, resumes(t, required, client))
		assert.True(t, resumes(t, host, client))
		got, err := handshake(t, host.Config, client)
		require.NoError(t, err)
		assert.Len(t, got.server.VerifiedChains, 1, "with the certificate of then")
	})
}

// What a policy asks for is asked for.
func TestClientAuth(t *testing.T) {
	ca, others := tlstest.NewCA(t), tlstest.NewCA(t)
	authorities, err := LoadAuthorities(ca.File())
	require.NoError(t, err)
	server := NewServer(NewSet([]*Certificate{loaded(t, ca.Issue("a.test", "*.b.test"))}, nil))
	f := func(auth ClientAuth, name string, cert *tls.Certificate, verified int, want string) {
		t.Helper()
		for _, l := range []*Listener{
			server.Listener(Policy{tls.VersionTLS12, auth, authorities}, map[string]Policy{"c.test": plain}),
			server.Listener(plain, map[string]Policy{"A.test": {tls.VersionTLS12, auth, authorities}, "*.B.test": {tls.VersionTLS12, auth, authorities}}),
		} {
			client := &tls.Config{ServerName: name, InsecureSkipVerify: true}
			if cert != nil {
				client.Certificates = []tls.Certificate{*cert}
			}
			got, err := handshake(t, l.Config, client)
			if want != "" {
				assert.ErrorContains(t, err, want)
				continue
			}
			require.NoError(t, err)
			assert.Len(t, got.server.VerifiedChains, verified)
		}
	}
	good, foreign, old := ca.Issue("client"), others.Issue("client"), ca.IssueExpired("client")
	for _, name := range []string{"a.test", "X.b.test"} {
		f(AuthOff, name, &good, 0, "")
		f("", name, nil, 0, "")
		f(AuthRequest, name, nil, 0, "")
		f(AuthRequest, name, &good, 1, "")
		f(AuthRequest, name, &foreign, 0, "unknown certificate authority")
		f(AuthRequest, name, &old, 0, "expired certificate")
		f(AuthRequire, name, nil, 0, "certificate required")
		f(AuthRequire, name, &good, 1, "")
		f(AuthRequire, name, &old, 0, "expired certificate")
	}
}

// Each listener has its protocols, and a session is resumed by another one's too.
func TestProtocols(t *testing.T) {
	server := NewServer(NewSet([]*Certificate{loaded(t, tlstest.NewCA(t).Issue("a.test"))}, nil))
	cache := tls.NewLRUClientSessionCache(1)
	f := func(want, fails string, offered []string, protocols ...string) (resumed bool) {
		t.Helper()
		got, err := handshake(t, server.Listener(plain, nil, protocols...).Config, &tls.Config{
			ServerName: "a.test", InsecureSkipVerify: true, NextProtos: offered, ClientSessionCache: cache,
		})
		if fails != "" {
			assert.ErrorContains(t, err, fails)
			return false
		}
		require.NoError(t, err)
		assert.Equal(t, want, got.client.NegotiatedProtocol)
		return got.client.DidResume
	}
	both := []string{"http/1.1", "h2"}
	assert.False(t, f("h2", "", both, "h2", "http/1.1"))
	assert.True(t, f("http/1.1", "", both, "http/1.1", "h2"))
	assert.True(t, f("http/1.1", "", both, "http/1.1"))
	assert.True(t, f("", "", nil, "h2", "http/1.1"))
	f("", "no application protocol", []string{"h3"}, "h2", "http/1.1")
	f("", "no application protocol", []string{"h2"}, "http/1.1")
}

// Versions and groups are as they should be.
func TestVersionsAndGroups(t *testing.T) {
	set := NewSet([]*Certificate{loaded(t, tlstest.NewCA(t).Issue("a.test"))}, nil)
	f := func(least, most uint16, curves []tls.CurveID, want tls.CurveID, fails string) {
		t.Helper()
		l := NewServer(set).Listener(Policy{MinVersion: least}, nil, "http/1.1")
		got, err := handshake(t, l.Config, &tls.Config{
			ServerName: "a.test", InsecureSkipVerify: true, MaxVersion: most, MinVersion: tls.VersionTLS10,
			CurvePreferences: curves, NextProtos: []string{"h2", "http/1.1"},
		})
		if fails != "" {
			assert.ErrorContains(t, err, fails)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, want, got.client.CurveID)
		assert.Equal(t, "http/1.1", got.client.NegotiatedProtocol)
	}
	f(tls.VersionTLS12, 0, nil, tls.X25519MLKEM768, "")
	f(tls.VersionTLS12, 0, []tls.CurveID{tls.X25519}, tls.X25519, "")
	f(tls.VersionTLS12, tls.VersionTLS12, nil, tls.X25519, "")
	f(tls.VersionTLS12, tls.VersionTLS11, nil, 0, "protocol version")
	f(tls.VersionTLS13, tls.VersionTLS12, nil, 0, "protocol version")
	f(tls.VersionTLS13, 0, nil, tls.X25519MLKEM768, "")
}
