package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	siteLimit = `
[limits.site]
key = "header:X-Client"
trusted_header = true
secret = false
capacity = 10
refill = "1/1h"
`
	loginLimit = `
[limits.login]
key = "ip"
capacity = 3
refill = "1/1h"
`
	goldTier = `
[limits.site.tiers.gold]
capacity = 1000
`
	siteRoute = `
[[routes]]
pool = "default"
limits = ["site"]
`
	bothRoute = `
[[routes]]
pool = "default"
limits = ["site", "login"]
`
)

// What an operator wrote under a limit that left the configuration is in the store, whatever the
// store is, until it is deleted by the limit's name. A tier that is gone is told.
func TestALimitAndATierThatLeave(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			_, flags := startBackends(t, 1)
			run := func(file string) *proxied {
				return launch(t, free(append(flags[:len(flags):len(flags)], "--store", store, "-c", writeFile(t, file))...)...)
			}
			p := run(siteLimit + goldTier + loginLimit + bothRoute)
			for _, bucket := range []string{
				`{"client_id":"alice","limit":"site","tier":"gold"}`, `{"client_id":"192.0.2.1","limit":"login","capacity":5}`,
				`{"client_id":"192.0.2.2","limit":"login","capacity":5}`,
			} {
				a := p.call("POST", "/buckets", bucket)
				require.Equal(t, 201, a.status, a.body)
			}
			require.Equal(t, 200, p.get("/", "X-Client", "bob").status)
			assert.Contains(t, p.call("GET", "/status", "").body, `"limits":[{"name":"login","count":3,"managed":2,`)
			p.stop()

			p = run(siteLimit + siteRoute)
			line := p.logs.await(t, "there is no such tier any more: its buckets follow the limit's own numbers until there is")
			assert.Equal(t, "gold", line["tier"])
			assert.Contains(t, p.call("GET", "/buckets/alice", "").body, `"tier":"gold","tier_gone":true,"capacity":10,`)
			a := p.call("DELETE", "/limits/login/buckets", "")
			assert.Equal(t, 200, a.status)
			assert.Equal(t, `{"limit":"login","deleted":2}`+"\n", a.body)
			assert.Equal(t, 404, p.call("DELETE", "/limits/other/buckets", "").status)
			p.kill()

			p = run(siteLimit + goldTier + loginLimit + bothRoute)
			assert.Contains(t, p.call("GET", "/buckets/alice?in=site", "").body, `"tier":"gold","capacity":1000,`)
			assert.Equal(t, 404, p.call("GET", "/buckets/192.0.2.1?in=login", "").status)
			assert.Contains(t, p.call("GET", "/buckets/127.0.0.1?in=login", "").body, `"tokens":2,`, "what no operator wrote stays")
			p.stop()
		})
	}
}
