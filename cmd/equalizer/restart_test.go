package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// Who shares the buckets, and by which rules, is settled when the store is opened.
func TestSharingTakesARestart(t *testing.T) {
	load := func(limit, store string) config.Loaded {
		l, err := config.Parse("c.toml", []byte("[pools.a]\nbackends = [\"http://a\"]\n[limits.a]\n"+limit+"[store]\ndriver = \"postgres\"\n"+store), config.Options{})
		require.NoError(t, err)
		return l
	}
	const shared = "shared = true\nreplica_name = \"a\"\n"
	before := &inForce{Loaded: load("", shared)}
	refused := func(limit, store, want string) {
		t.Helper()
		assert.ErrorContains(t, needsNoRestart(before, load(limit, store), true), want)
	}
	const open = "a store that is open can't change: restart, or put this back: "
	refused("", "", "store.shared: "+open+"store.shared: true -> false")
	refused("", "shared = true\nreplica_name = \"b\"\n", "store.replica_name: "+open)
	refused("", shared+"lease_interval = \"2s\"\n", "store.lease_interval: "+open)
	refused("", shared+"lease_ttl = \"20s\"\n", "store.lease_ttl: "+open)
	refused("scope = \"replica\"\n", shared,
		`limits.a.scope: changing it takes a restart, behind which buckets are full: restart, or put it back to "global"`)
	assert.NoError(t, needsNoRestart(before, load("leasing = \"each\"\nlease_wait = \"1s\"\non_store_loss = \"allow\"\n", shared), true))
}
