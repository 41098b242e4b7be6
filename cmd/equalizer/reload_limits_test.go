package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// limitOf is a limit by client, which refills too slowly to matter.
func limitOf(name string, capacity int) string {
	return fmt.Sprintf("[limits.%s]\nkey = \"header:X-Client\"\ntrusted_header = true\nsecret = false\ncapacity = %d\nrefill = \"1/1h\"\n", name, capacity)
}

// spends sends requests of a client, and returns the statuses.
func (r reloadable) spends(client string, requests int) (statuses []int) {
	r.t.Helper()
	for range requests {
		statuses = append(statuses, r.get("/", "X-Client", client).status)
	}
	return statuses
}

// A limit's client_ids can't become secret while it is taken from. Nothing changes, and a restart
// keeps the buckets.
func TestReloadDoesNotTurnSecretOn(t *testing.T) {
	b := lasting(t)
	plain := local0 + poolOf("web", b.URL) + limitOf("site", 3) + fmt.Sprintf("[store]\npath = %q\n", t.TempDir()+"/e.db")
	hashed := strings.Replace(plain, "secret = false", "secret = true", 1)
	r := launchWith(t, plain)
	require.Equal(t, []int{200, 200, 200, 429}, r.spends("alice", 4))
	mistakes := r.refuses(hashed)
	assert.Contains(t, mistakes, `"limits.site.secret"`)
	assert.Contains(t, mistakes, "turning it on takes a restart, which keeps the buckets")
	assert.Equal(t, []int{429}, r.spends("alice", 1))
	r.stop()

	r = launchWith(t, hashed)
	assert.Equal(t, []int{429}, r.spends("alice", 1))
	r.reloads(plain) // Turning it off begins with other client_ids, and so with full buckets.
	assert.Equal(t, []int{200}, r.spends("alice", 1))
	r.stop()
}

// What was spent stays spent, whatever becomes of the limit's numbers, and however it comes back.
func TestReloadKeepsWhatWasSpent(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			b := lasting(t)
			with := func(limits string) string { return local0 + poolOf("web", b.URL) + limits }
			file := writeFile(t, with(limitOf("site", 10)))
			r := reloadable{launch(t, "-c", file, "--store", store), file}
			require.Equal(t, []int{200, 200, 200, 200}, r.spends("alice", 4))
			tokens := func(want int64) {
				t.Helper()
				assert.Equal(t, want, r.bucket("alice").Tokens)
			}

			assert.Equal(t, map[string]string{"limits.site.capacity": "changed"}, r.reloads(with(limitOf("site", 20))))
			tokens(6)
			assert.EqualValues(t, 20, r.bucket("alice").Capacity)
			r.reloads(with(limitOf("site", 4)))
			require.Equal(t, []int{200}, r.spends("alice", 1))
			tokens(3)
			r.reloads(with(limitOf("site", 20)))
			tokens(3)
			assert.Equal(t, map[string]string{"limits.other": "added", `routes["/"]`: "added"},
				r.reloads(with(limitOf("site", 20)+limitOf("other", 2)+"[[routes]]\npool = \"web\"\nlimits = [\"other\", \"site\"]\n")))
			require.Equal(t, []int{200, 200, 429}, r.spends("alice", 3))
			require.Equal(t, []int{200, 200, 429}, r.spends("bob", 3), "by the new limit")

			r.reloads(with(""))
			require.Equal(t, []int{200, 200, 200}, r.spends("alice", 3), "nothing is limited any more")
			require.Equal(t, 409, r.call("GET", "/buckets/alice", "").status)
			r.reloads(with(limitOf("site", 20)))
			tokens(1)
			require.Equal(t, []int{200, 429}, r.spends("alice", 2))
			r.stop()
			again := launch(t, "-c", file, "--store", store)
			assert.Equal(t, 429, again.get("/", "X-Client", "alice").status)
			again.stop()
		})
	}
}

// A client with a tier follows the tier's numbers, and one that an operator gave numbers keeps
// them.
func TestReloadOfTiers(t *testing.T) {
	b := lasting(t)
	with := func(capacity, gold int) string {
		return local0 + poolOf("web", b.URL) + limitOf("site", capacity) + fmt.Sprintf("[limits.site.tiers.gold]\ncapacity = %d\n[store]\ndriver = \"memory\"\n", gold)
	}
	r := launchWith(t, with(10, 100))
	for _, body := range []string{`{"client_id":"gold","tier":"gold"}`, `{"client_id":"own","capacity":7}`} {
		a := r.call("POST", "/buckets", body)
		require.Equal(t, 201, a.status, a.body)
	}
	require.Equal(t, []int{200}, r.spends("gold", 1))
	require.Equal(t, []int{200}, r.spends("own", 1))
	assert.Equal(t, map[string]string{"limits.site.capacity": "changed", "limits.site.tiers.gold.capacity": "changed"}, r.reloads(with(20, 50)))
	assert.EqualValues(t, 50, r.bucket("gold").Capacity)
	assert.EqualValues(t, 50, r.bucket("gold").Tokens)
	assert.EqualValues(t, 7, r.bucket("own").Capacity)
	assert.EqualValues(t, 6, r.bucket("own").Tokens)
	r.reloads(with(20, 500))
	assert.EqualValues(t, 500, r.bucket("gold").Capacity)
	assert.EqualValues(t, 50, r.bucket("gold").Tokens)
	r.stop()
}

// A limit that becomes strict is so from then on: a crash gives back nothing that was spent under
// it. The time between two flushes changes, too.
func TestReloadOfDurability(t *testing.T) {
	b, store := lasting(t), t.TempDir()+"/buckets.db"
	with := func(durability, flush string) string {
		return local0 + poolOf("web", b.URL) + limitOf("site", 10) + fmt.Sprintf("durability = %q\n[store]\nflush_interval = %q\n", durability, flush)
	}
	file := writeFile(t, with("interval", "1h"))
	r := reloadable{launch(t, "-c", file, "--store", store), file}
	require.Equal(t, []int{200}, r.spends("alice", 1))
	r.reloads(with("strict", "1h"))
	require.Equal(t, []int{200, 200, 200}, r.spends("alice", 3))
	r.kill()
	r = reloadable{launch(t, "-c", file, "--store", store), file}
	assert.Equal(t, []int{429}, r.spends("alice", 1))

	before := r.status().Store.Flushes
	assert.Equal(t, map[string]string{"store.flush_interval": "changed"}, r.reloads(with("strict", "50ms")))
	r.await("flushes", func() bool { return r.status().Store.Flushes > before+5 })
	r.stop()
}

// What the limiter refuses is a mistake of that limit's key, and nothing changes. A strict limit
// can't come back with hashed client_ids before what was spent under it is stored.
func TestReloadThatALimitRefuses(t *testing.T) {
	b, store := lasting(t), t.TempDir()+"/buckets.db"
	with := func(limits string) string {
		return local0 + poolOf("web", b.URL) + fmt.Sprintf("[store]\nflush_interval = \"1h\"\ndurability = \"strict\"\npath = %q\n", store) + limits
	}
	plain := limitOf("site", 10)
	r := launchWith(t, with(plain))
	require.Equal(t, []int{200}, r.spends("alice", 1))
	r.reloads(with(limitOf("other", 2)))
	refused := r.refuses(with(strings.Replace(plain, "secret = false", "secret = true", 1)))
	assert.Contains(t, refused, `"key":"limits.site"`)
	assert.Contains(t, refused, "its client_ids can't be hashed while the limit that has them in plain is at work or leaving")
	assert.Equal(t, []int{200, 200, 429}, r.spends("alice", 3), "by the other limit")
	r.reloads(with(plain))
	assert.EqualValues(t, 9, r.bucket("alice").Tokens)
	r.stop()
}
