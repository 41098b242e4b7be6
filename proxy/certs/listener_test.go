package certs

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// Where certificates are asked for, a request is for the host that TLS was made for.
func TestServes(t *testing.T) {
	authorities, err := LoadAuthorities(tlstest.NewCA(t).File())
	require.NoError(t, err)
	asking := Policy{tls.VersionTLS12, AuthRequest, authorities}
	server := NewServer(NewSet(nil, nil))
	f := func(l *Listener, name, host string, want bool) {
		t.Helper()
		assert.Equal(t, want, l.Serves(name, []byte(host)), "%q over %q", host, name)
		assert.Zero(t, testing.AllocsPerRun(10, func() { l.Serves("a.test", []byte("a.test:443")) }))
	}
	off := server.Listener(plain, map[string]Policy{"b.test": {MinVersion: tls.VersionTLS13}})
	f(off, "a.test", "b.test", true)
	f(off, "", "b.test", true)

	all := server.Listener(asking, nil)
	f(all, "a.test", "a.test", true)
	f(all, "A.test", "a.TEST.:443", true)
	f(all, "a.test", "b.test", false)
	f(all, "a.test", "", false)
	f(all, "a.test", "a.test.evil", false)
	f(all, "a.test", "192.0.2.1", false)
	f(all, "", "a.test", false)
	f(all, "", "192.0.2.1", true)
	f(all, "", "192.0.2.1:443", true)
	f(all, "", "[2001:db8::1]:443", true)
	f(all, "", "[2001:db8::1]", true)

	some := server.Listener(plain, map[string]Policy{"*.safe.test": asking, "192.0.2.9": asking})
	f(some, "a.test", "b.test", true)
	f(some, "a.test", "x.safe.test", false)
	f(some, "x.safe.test", "a.test", false)
	f(some, "x.safe.test", "y.safe.test", false)
	f(some, "x.safe.test", "x.safe.test", true)
	f(some, "a.test", "x.y.safe.test", false)
	f(some, "", "x.y.z.Safe.test:443", false)
	f(some, "x.y.safe.test", "x.y.safe.test", true)
	f(some, "a.test", "safe.test", true)
	f(some, "a.test", strings.Repeat("x.", 50)+"safe.test", false)
	f(some, "a.test", "x.unsafe.test", true)
	f(some, "", "X.Safe.Test:8443", false)
	f(some, "", "192.0.2.1", true)
	f(some, "", "192.0.2.9", false)
}

// A host is under what is said of it, or of the nearest name above it, at any depth.
func TestPolicyOfHosts(t *testing.T) {
	server, tls13 := NewServer(NewSet(nil, nil)), Policy{MinVersion: tls.VersionTLS13}
	authorities, err := LoadAuthorities(tlstest.NewCA(t).File())
	require.NoError(t, err)
	required := Policy{tls.VersionTLS12, AuthRequire, authorities}
	hosts := map[string]Policy{"*.a.test": required, "*.open.a.test": plain, "x.a.test": tls13}
	l, c := server.Listener(plain, hosts), NewClear(hosts)
	f := func(host string, want Policy) {
		t.Helper()
		assert.Equal(t, want, l.of(host).Policy)
		assert.Equal(t, want != required, c.Serves([]byte(strings.ToUpper(host)+".:80")))
	}
	f("a.test", plain)
	f("b.test", plain)
	f("", plain)
	f("y.a.test", required)
	f("open.a.test", required)
	f("z.y.a.test", required)
	f("y.x.a.test", required)
	f("x.a.test", tls13)
	f("y.open.a.test", plain)
	f("z.y.open.a.test", plain)
	assert.True(t, (*Clear)(nil).Serves([]byte("y.a.test")))
	assert.Zero(t, testing.AllocsPerRun(10, func() { c.Serves([]byte("z.y.a.test:80")) }))
}
