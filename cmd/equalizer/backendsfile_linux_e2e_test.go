//go:build e2e && linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Backends of a file come and go under load without a reload, whatever else becomes of the file,
// and no request fails. Those that stay keep what is known of them.
func TestBackendsOfAFileUnderLoad(t *testing.T) {
	t.Parallel()
	at := startAddressed(t, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	url := func(address string) string { return "http://" + address + ":" + at.port }
	file := newBackendsFile(t, "# one\n"+url("127.0.0.3")+"\n")
	configuration := local0 + fmt.Sprintf("[pools.web]\nbackends = [%q]\nbackends_file = %q\n", url("127.0.0.2"), file.path) +
		"health = { path = \"/health\", host = \"app.test:" + at.port + "\", interval = \"500ms\", timeout = \"500ms\", fall = 100 }\n"
	r := launchWith(t, configuration)
	load := startKeptLoad(r.proxy+"/", 4)
	served := func(want ...string) {
		t.Helper()
		load.who()
		r.await("responses of "+fmt.Sprint(want), func() bool { return slices.Equal(want, load.who()) })
	}
	served("127.0.0.2", "127.0.0.3")
	assert.Equal(t, 200, r.call("PATCH", "/backends/web/"+url("127.0.0.3"), `{"weight":5}`).status)
	before := r.backends()[url("127.0.0.3")]

	file.write("# two\n" + url("127.0.0.4") + " weight=2\n" + url("127.0.0.3") + "\n")
	const changed = "files of backends have changed: their pools have these now"
	line := r.logs.nth(t, 1, changed)
	assert.Equal(t, []any{fmt.Sprintf("pools.web.backends[%q]", url("127.0.0.4"))}, line["keys"])
	served("127.0.0.2", "127.0.0.3", "127.0.0.4")
	after := r.backends()
	assert.Equal(t, 2, after[url("127.0.0.4")].Weight)
	assert.Equal(t, 5, after[url("127.0.0.3")].Weight, "what an operator said stays")
	assert.GreaterOrEqual(t, after[url("127.0.0.3")].Requests, before.Requests, "counters go on")
	var view struct {
		Pools map[string]struct {
			Backends []map[string]struct{ Value, From any }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(r.call("GET", "/config", "").body), &view))
	assert.Len(t, view.Pools["web"].Backends, 3)
	assert.EqualValues(t, file.path+":2", view.Pools["web"].Backends[1]["url"].From)

	// What can't be used changes nothing, and is told once each.
	const unusable = "the file of a pool's backends can't be used: it keeps those that it has"
	for i, bad := range []string{"", "# nobody\n", url("127.0.0.4") + "\n" + url("127.0.0.3")[:12], url("127.0.0.4") + "\nftp://b\n"} {
		file.write(bad)
		r.logs.nth(t, i+1, unusable)
		served("127.0.0.2", "127.0.0.3", "127.0.0.4")
	}
	wrong := fmt.Sprint(r.logs.nth(t, 4, unusable)["mistakes"])
	assert.Contains(t, wrong, file.path+`:2: pools.web.backends[2].url: "ftp://b": scheme "ftp" is not http, https or unix; want http://HOST:PORT`)
	out, err := exec.Command(binary, "check", r.file).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), file.path+":2: ")
	assert.Equal(t, 422, r.call("POST", "/reload", "{}").status)
	require.NoError(t, os.Remove(file.path))
	r.logs.nth(t, 5, unusable)
	served("127.0.0.2", "127.0.0.3", "127.0.0.4")

	file.write(url("127.0.0.4") + "\n")
	r.logs.await(t, "the file of a pool's backends can be used again")
	line = r.logs.nth(t, 2, changed)
	assert.EqualValues(t, 1, line["removed"])
	served("127.0.0.2", "127.0.0.4")
	assert.Empty(t, r.reloads(configuration), "it is in force already")
	assert.Equal(t, map[string]string{
		"pools.web.backends_file": "changed", fmt.Sprintf("pools.web.backends[%q]", url("127.0.0.4")): "removed",
	}, r.reloads(strings.Replace(configuration, "backends_file", "#backends_file", 1)))
	served("127.0.0.2")

	load.stop()
	assert.Empty(t, load.failures)
	t.Logf("%d requests", load.requests.Load())
	assert.Zero(t, at.odd.Load(), "no request before a probe")
	r.stop()
	assert.Equal(t, 5, r.logs.count(unusable), "once each")
	assert.Equal(t, 2, r.logs.count(changed))
}
