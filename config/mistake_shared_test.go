package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const shared = pool + "[store]\ndriver = \"postgres\"\nshared = true\n"

func TestSharedStores(t *testing.T) {
	c := accepted(t, shared+`replica_name = "edge-1"
lease_interval = "250ms"
lease_ttl = "750ms"
[limits.default]
leasing = "trickle"
lease_wait = "5s"
on_store_loss = "refuse"
`)
	require.True(t, c.Store.Shared)
	require.Equal(t, "edge-1", c.Store.ReplicaName)
	require.Equal(t, 250*time.Millisecond, c.Store.LeaseInterval)
	require.Equal(t, 750*time.Millisecond, c.Store.LeaseTTL)
	l := c.Limits["default"]
	require.Equal(t, []string{ScopeGlobal, LeasingTrickle, OnLossRefuse}, []string{l.Scope, l.Leasing, l.OnStoreLoss})
	require.Equal(t, 5*time.Second, l.LeaseWait)
	require.Equal(t, ScopeReplica, accepted(t, shared+"replica_name = \"a\"\n[limits.default]\nscope = \"replica\"\n").Limits["default"].Scope)

	// What is said is what there is in any case.
	accepted(t, pool+"[limits.default]\nscope = \"global\"\nleasing = \"ahead\"\nlease_wait = \"250ms\"\non_store_loss = \"local\"\n[store]\nshared = false\nreplica_name = \"\"\n")
}

func TestSharedMistakes(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		refused(t, shared+lines, want...)
	}
	for _, driver := range []string{StoreBolt, StoreMemory} {
		refused(t, pool+"[store]\nshared = true\ndriver = \""+driver+"\"\n",
			`c.toml:4: store.shared: true with driver = "`+driver+`", which one process has to itself; want driver = "postgres", or false`)
	}
	f("standby = true\n[limits.default]\n", "c.toml:6: store.standby: true with shared = true, where no process holds the store; want one of them")
	const strict = `"strict" with shared = true, where a crash gives nothing back in any case; want "interval"`
	f("durability = \"strict\"\n[limits.default]\ndurability = \"strict\"\n",
		"c.toml:6: store.durability: "+strict, "c.toml:8: limits.default.durability: "+strict)

	for _, name := range []string{"a b", "ä", strings.Repeat("x", 65)} {
		f("replica_name = \""+name+"\"\n", `c.toml:6: store.replica_name: "`+name+`"; want 1 to 64 visible ASCII characters`)
	}
	f("[limits.default]\nscope = \"replica\"\n",
		`c.toml: store.replica_name: there is none, and the buckets of limit default are kept by it, as scope = "replica"; want 1 to 64 visible ASCII characters that stay the same over restarts`)

	f("lease_interval = \"49ms\"\nlease_ttl = \"11m\"\n",
		"c.toml:6: store.lease_interval: 49ms is out of range; want 50ms to 1m",
		"c.toml:7: store.lease_ttl: 11m is out of range; want 150ms to 10m")
	f("lease_interval = \"5s\"\n", "c.toml: store.lease_ttl: 10s is less than 3 times lease_interval, 5s; want at least 15s, so that a round may fail")
	f("[limits.default]\nscope = \"all\"\nleasing = \"behind\"\nlease_wait = \"0s\"\non_store_loss = \"\"\n",
		`c.toml:7: limits.default.scope: unexpected "all"; want global or replica`,
		`c.toml:8: limits.default.leasing: unexpected "behind"; want ahead, trickle or each`,
		"c.toml:9: limits.default.lease_wait: 0s is out of range; want 1ms to 5s",
		`c.toml:10: limits.default.on_store_loss: unexpected ""; want local, refuse or allow`)

	const nothing = `means nothing with scope = "replica", where nothing is leased; want scope = "global", or no `
	f("replica_name = \"a\"\n[limits.default]\nscope = \"replica\"\nleasing = \"each\"\nlease_wait = \"1s\"\non_store_loss = \"allow\"\n",
		"c.toml:9: limits.default.leasing: "+nothing+"leasing",
		"c.toml:10: limits.default.lease_wait: "+nothing+"lease_wait",
		"c.toml:11: limits.default.on_store_loss: "+nothing+"on_store_loss")
}

func TestMistakesOfWhatIsNotShared(t *testing.T) {
	const ofStore, ofLimit = "means nothing without shared = true; want that, or no ", "means nothing without store.shared = true; want that, or no "
	refused(t, pool+`[store]
replica_name = "a"
lease_interval = "2s"
lease_ttl = "20s"
[limits.default]
scope = "replica"
leasing = "each"
lease_wait = "1s"
on_store_loss = "allow"
`,
		"c.toml:4: store.replica_name: "+ofStore+"replica_name",
		"c.toml:5: store.lease_interval: "+ofStore+"lease_interval",
		"c.toml:6: store.lease_ttl: "+ofStore+"lease_ttl",
		`c.toml:8: limits.default.scope: "replica" `+ofLimit+"scope",
		"c.toml:9: limits.default.leasing: "+ofLimit+"leasing",
		"c.toml:10: limits.default.lease_wait: "+ofLimit+"lease_wait",
		"c.toml:11: limits.default.on_store_loss: "+ofLimit+"on_store_loss")
}
