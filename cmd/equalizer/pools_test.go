package main

import (
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/config"
)

// prepared prepares the pools of a configuration, which must be good.
func prepared(t *testing.T, c config.Config, previous pools) *poolsChange {
	t.Helper()
	change, err := preparePools(c, previous, sharedByPools{}, zerolog.Nop())
	require.NoError(t, err)
	return change
}

// Pools are kept by name, with what is in them, and each configuration has its own view of them.
func TestPreparePools(t *testing.T) {
	c := poolsConfig("http://127.0.0.1:1", "http://127.0.0.1:80")
	first := prepared(t, c, nil)
	assert.Len(t, first.added, 1)
	assert.Empty(t, first.pools.status(), "nothing is there before apply")
	first.apply()
	assert.Len(t, first.pools.status(), 2)

	to := poolsConfig("http://127.0.0.1:2")
	to.Pools["other"] = to.Pools["default"]
	second := prepared(t, to, first.pools)
	assert.Same(t, first.pools["default"].Pool, second.pools["default"].Pool)
	assert.Same(t, first.pools["default"].connections, second.pools["default"].connections)
	assert.Equal(t, []*pool{second.pools["other"]}, second.added)
	assert.Empty(t, second.removed)
	second.probe(t.Context())
	assert.Len(t, first.pools.status(), 2, "nothing changes before apply")
	second.discard()
	assert.Len(t, first.pools.status(), 2)

	second = prepared(t, to, first.pools)
	second.apply()
	assert.Equal(t, []string{"127.0.0.1:1", "127.0.0.1", "127.0.0.1:80"}, first.pools["default"].hidden())
	assert.Equal(t, []string{"127.0.0.1:2"}, second.pools["default"].hidden())
	assert.Equal(t, []string{"127.0.0.1:2"}, second.pools["other"].hidden())
	assert.Len(t, second.pools.status(), 2)

	third := prepared(t, c, second.pools)
	assert.Equal(t, []*pool{second.pools["other"]}, third.removed)
	third.apply()
	third.retire()
	_, err := second.pools["other"].Override("http://127.0.0.1:2", balancer.Override{State: balancer.Drain})
	assert.Equal(t, balancer.ErrNoBackend, err, "it has ended")
}

// What a file holds counts, and not its name: a backend is the same as long as it is talked to in
// the same way.
func TestTLSIdentity(t *testing.T) {
	ca, other := tlstest.NewCA(t), tlstest.NewCA(t)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	replace(t, caFile, ca.File())
	certFile, keyFile := tlstest.Files(t, ca.Issue("one.test"))
	c := poolsConfig("https://127.0.0.1:1")
	identity := func(change func(*config.TLS)) string {
		t.Helper()
		pool := c.Pools["default"]
		change(&pool.TLS)
		c.Pools["default"] = pool
		all, err := backendSettings("default", pool)
		require.NoError(t, err)
		return all[0].TLSIdentity
	}
	last := identity(func(tls *config.TLS) { tls.CA = caFile })
	same := func(change func(*config.TLS)) {
		t.Helper()
		assert.Equal(t, last, identity(change))
	}
	differs := func(change func(*config.TLS)) {
		t.Helper()
		now := identity(change)
		assert.NotEqual(t, last, now)
		last = now
	}
	same(func(*config.TLS) {})
	same(func(tls *config.TLS) { tls.CA = ca.File() })
	same(func(tls *config.TLS) { tls.CA = caFile })
	differs(func(*config.TLS) { replace(t, caFile, other.File()) })
	differs(func(tls *config.TLS) { tls.ServerName = "two.test" })
	differs(func(tls *config.TLS) { tls.Verify = !tls.Verify })
	differs(func(tls *config.TLS) { tls.Cert, tls.Key = certFile, keyFile })
	differs(func(*config.TLS) {
		newCert, newKey := tlstest.Files(t, ca.Issue("one.test"))
		replace(t, certFile, newCert)
		replace(t, keyFile, newKey)
	})
	differs(func(tls *config.TLS) { tls.CA = "" })
}

// All files that can't be used are named, and nothing is left of what could be.
func TestPreparePoolsNamesAllFiles(t *testing.T) {
	c := poolsConfig("https://127.0.0.1:1")
	bad := c.Pools["default"]
	bad.TLS.CA = filepath.Join(t.TempDir(), "none.pem")
	c.Pools["bad"], c.Pools["worse"] = bad, bad
	_, err := preparePools(c, nil, sharedByPools{}, zerolog.Nop())
	require.ErrorContains(t, err, "pools.bad.tls.ca: ")
	assert.ErrorContains(t, err, "pools.worse.tls.ca: ")
}
