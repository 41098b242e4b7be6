package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const statusJSON = `{"version":"v1.2.3","uptime_seconds":93784,"limit":"default",` +
	`"store":{"driver":"bolt","up":true,"error":"","flushes":3,"flush_errors":0,"flush_overruns":0,"last_flush":"2026-11-29T07:00:00.000Z","dirty":4,"lag_seconds":0.25},` +
	`"buckets":{"count":5,"managed":2,"max":10,"overflow_takes":7},"limits":[],` +
	`"requests":{"total":9,"in_flight":1,"connections":2,"allowed":6,"limited":3,"responses":{"1xx":0,"2xx":6,"3xx":0,"4xx":3,"5xx":0},"bad_gateway":1,"retries":2},` +
	`"log":{"dropped":0,"error":""},"runtime":{}}`

func TestStatusIsOneScreen(t *testing.T) {
	const limits = `[{"name":"default","key":"ip","capacity":10,"refill":"1/1m","tiers":{},"durability":"interval","buckets":5,"managed":2,"max_buckets":1000000,"overflow_takes":0}]`
	f := startAdmin(t, map[string]string{
		"GET /readyz": `200 {"status":"ready"}`, "GET /status": "200 " + statusJSON, "GET /backends": "200 [" + drained + "]", "GET /limits": "200 " + limits,
	})
	want := func(ready string) string {
		return "equalizer v1.2.3 at " + f.address() + ": " + ready + `, up for 1d2h

BACKEND                 STATE   WEIGHT  HEALTH  IN FLIGHT  REQUESTS  FAILURES  LAST PROBE
web/http://10.0.0.2:80  drain*  5*      up      0          5         0         200 in 1.1ms, TIME ago
* said by API: ` + "`equalizer status --diff`" + ` shows what the configuration says

LIMIT    KEY  CAPACITY  REFILL  BUCKETS  OF       SET BY OPERATORS  OVERFLOW
default  ip   10        1/1m    5        1000000  2                 0

store      bolt, up; last flush TIME ago, 4 buckets to flush, for up to 250ms
requests   9, 1 in flight, on 2 connections; 3 limited, 2 retried
responses  2xx: 6, 3xx: 0, 4xx: 3, 5xx: 0; of its own, 502: 1, 503: 0, 504: 0
`
	}
	f.prints(t, 0, want("ready"), "", "status")
	f.prints(t, 0, `{"ready":"ready","status":`+statusJSON+`,"backends":[`+drained+`],"limits":`+limits+"}\n", "", "status", "--json")
	for mistakes, row := range map[string]string{
		`[]`: "3; last TIME ago", `["c.toml:1: a: bad"]`: "3; THE LAST FAILED TIME ago: c.toml:1: a: bad", `["x","y","z"]`: "3; THE LAST FAILED TIME ago: x, and 2 more",
	} {
		f.responses["GET /status"] = "200 " + strings.Replace(statusJSON, `"log":`, `"reloads":{"done":2,"failed":1,"last_at":"2026-11-29T07:00:00.000Z","mistakes":`+mistakes+`},"log":`, 1)
		f.prints(t, 0, want("ready")+"reloads    "+row+"\n", "", "status")
	}
	f.responses["GET /status"] = "200 " + strings.Replace(statusJSON, `"log":`, `"http2":{"connections":1,"running":2,"waiting":3,"calmed":4,"faulty":5},"log":`, 1)
	f.prints(t, 0, want("ready")+"http/2     2 running, 3 waiting, on 1 connections; 5 ended for their clients' faults, 4 for too many oddities\n", "", "status")
	f.responses["GET /status"] = "200 " + statusJSON
	f.responses["GET /readyz"] = `503 {"type":"urn:gopher-equalizer:not-ready","detail":"stopping","reason":"stopping"}`
	f.prints(t, 0, want("stopping"), "", "status")
}

func TestStatusDiff(t *testing.T) {
	f := startAdmin(t, map[string]string{
		"GET /backends": "200 " + allBackends,
		"GET /config/changes": `200 {"changes":[{"key":"limits.default.capacity","kind":"changed","old":"10","new":"5"}],` +
			`"warnings":["a warning"],"duration_seconds":0.001}`,
	})
	const override = "Said by API, until `equalizer backends reset ID`:\n" +
		"  web/http://10.0.0.2:80: state drain, configured ready; weight 5, configured 1; not stored\n"
	f.prints(t, 0, override+"The configuration has changed; `equalizer reload` would apply:\n  limits.default.capacity: 10 -> 5\n  warning: a warning\n", "", "status", "--diff")
	f.responses["GET /config/changes"] = `422 {"type":"urn:gopher-equalizer:bad-configuration","detail":"x","mistakes":[{"key":"a.b","where":"c.toml:1","text":"bad"}]}`
	f.prints(t, 0, override+"The configuration can't be used any more: what is in force stays.\n  c.toml:1: a.b: bad\n", "", "status", "--diff")
	f.responses["GET /config/changes"], f.responses["GET /backends"] = `200 {"changes":[],"warnings":[],"duration_seconds":0}`, "200 ["+oneBackend+"]"
	f.prints(t, 0, "nothing differs: what is in force is what the configuration says\n", "", "status", "--diff")
	f.prints(t, 0, `{"overrides":[],"file":{"changes":[],"warnings":[],"duration_seconds":0},"mistakes":null}`+"\n", "", "status", "--diff", "--json")
}

func TestBriefDurations(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		d, err := time.ParseDuration(text)
		require.NoError(t, err)
		assert.Equal(t, want, brief(d))
	}
	f("-1s", "0s")
	f("0.4567s", "457ms")
	f("1.26s", "1.3s")
	f("75.4s", "1m15s")
	f("3h4m5s", "3h4m")
	f("50h29m", "2d2h")
	f("23h59m50s", "24h0m")
}
