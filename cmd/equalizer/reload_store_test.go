package main

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer"
)

// The first limit opens the store. If the reload fails after that, the store is closed again, and
// nothing is limited.
func TestReloadOpensTheStore(t *testing.T) {
	b, file := lasting(t), t.TempDir()+"/buckets.db"
	listen, admin := freeAddress(t), freeAddress(t)
	limited := "[limits.default]\ncapacity = 2\nrefill = \"1/1h\"\n[store]\nconnect_timeout = \"1s\"\npath = "
	with := func(listen, more string) string { return addressed(listen, admin, poolOf("web", b.URL)+more) }
	r := launchWith(t, with(listen, ""))
	require.Equal(t, 409, r.call("GET", "/buckets", "").status)

	refused := r.refuses(with(listen, limited+"\"/dev/null/none.db\"\n"))
	assert.Contains(t, refused, `"key":"store.path","where":"`+r.file+":")
	assert.Contains(t, refused, "/dev/null/none.db")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	assert.Contains(t, r.refuses(with(taken.Addr().String(), limited+`"`+file+"\"\n")), "server.listen")
	require.Equal(t, 409, r.call("GET", "/buckets", "").status)
	for range 5 {
		require.Equal(t, 200, r.get("/").status)
	}
	other := launch(t, free("--backend", b.URL, "--capacity", "9", "--store", file)...) // Nobody holds it.
	assert.Contains(t, r.refuses(with(listen, limited+`"`+file+"\"\n")), "another process")
	other.stop()

	assert.Equal(t, map[string]string{"limits.default": "added", "store.connect_timeout": "changed", "store.path": "changed"},
		r.reloads(with(listen, limited+`"`+file+"\"\n")))
	for _, want := range []int{200, 200, 429} {
		require.Equal(t, want, r.get("/").status)
	}
	assert.EqualValues(t, 0, r.bucket("127.0.0.1").Tokens)
	r.stop()
	again := launch(t, "-c", r.file)
	assert.Equal(t, 429, again.get("/").status, "what was spent is stored")
	again.stop()
}

// warningsIn are those of a reload, or of what one would change.
func warningsIn(t *testing.T, body string) []string {
	t.Helper()
	var r api.Reloaded
	require.NoError(t, json.Unmarshal([]byte(body), &r))
	return r.Warnings
}

// A reload warns of overrides that go with their backends, whether they leave a pool or their pool
// leaves.
func TestReloadWarnsOfOverridesThatGo(t *testing.T) {
	one, other := startBackend(t, "127.0.0.1:0"), startBackend(t, "127.0.0.1:0")
	const memory = "[store]\ndriver = \"memory\"\n"
	r := launchWith(t, local0+memory+poolOf("web", one.url(), other.url()))
	r.command("backends", "drain", one.address)
	r.command("backends", "weight", other.address, "3")
	reload := func(text string) string {
		r.write(local0 + memory + text)
		pending := r.call("GET", "/config/changes", "").body
		a := r.call("POST", "/reload", "{}")
		require.Equal(t, 200, a.status, a.body)
		assert.Equal(t, warningsIn(t, a.body), warningsIn(t, pending), "they are known beforehand")
		return a.body
	}
	gone := func(b *backend, said string) string {
		return fmt.Sprintf("web/%s: it leaves the configuration, and with it what an operator said: %s", b.url(), said)
	}
	assert.Contains(t, reload(poolOf("web", other.url())), gone(one, "state drain"))
	weighted := fmt.Sprintf("[pools.web]\nbackends = [{ url = %q, weight = 5 }]\n", other.url())
	assert.Contains(t, reload(weighted), "the configuration says weight 5, an override says 3")
	assert.Contains(t, reload(poolOf("renamed", other.url())), gone(other, "weight 3"))
	assert.NotContains(t, reload(poolOf("web", other.url(), one.url())), "what an operator said")
	assert.Contains(t, r.logs.text(), gone(one, "state drain"))
	assert.Equal(t, balancer.Ready, r.operatedBackend(one).State)
	r.stop()
}

// The store that a reload turns to has its overrides count then, not at a later write. What was
// said in this process wins over them.
func TestReloadLoadsOverridesOfAnotherStore(t *testing.T) {
	one, other := startBackend(t, "127.0.0.1:0"), startBackend(t, "127.0.0.1:0")
	dir := t.TempDir()
	in := func(store string) string {
		return local0 + poolOf("web", one.url(), other.url()) + "[store]\n" + store + "\n"
	}
	first, second, none := in(fmt.Sprintf("path = %q", dir+"/d.db")), in(fmt.Sprintf("path = %q", dir+"/e.db")), in(`driver = "memory"`)
	r := launchWith(t, first)
	r.command("backends", "drain", one.address)
	r.await("the drain to be stored", func() bool { return r.operatedBackend(one).Stored })
	r.reloads(second)
	r.await("the drain to be stored there, too", func() bool { return r.operatedBackend(one).Stored })
	r.reloads(none)
	r.command("backends", "reset", one.address)
	r.reloads(first)
	r.command("backends", "weight", other.address, "7")
	r.await("all to be stored", func() bool { return r.operatedBackend(one).Stored && r.operatedBackend(other).Stored })
	assert.Equal(t, balancer.Ready, r.operatedBackend(one).State)
	r.stop()

	r = launchWith(t, second)
	assert.Equal(t, balancer.Drain, r.operatedBackend(one).State)
	r.reloads(first)
	assert.Equal(t, 7, r.operatedBackend(other).Weight, "at the reload")
	assert.Equal(t, balancer.Drain, r.operatedBackend(one).State, "the other store says nothing of it")
	r.stop()
}
