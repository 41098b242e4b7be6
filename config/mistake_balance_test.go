package config

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

func TestStrategyMistakes(t *testing.T) {
	refused(t, `[pools.a]
backends = ["http://a"]
hash_by = "ip"
sticky_cookie = "x"
slow_start = "25h"
[pools.b]
strategy = "hash"
backends = [{ url = "http://a", backup = true }, { url = "http://b", backup = true }]
hash_by = "header:Host"
[pools.c]
strategy = "sticky"
backends = [{ url = "http://a", backup = "yes" }]
sticky_cookie = "a b"
[[routes]]
pool = "a"
`,
		`c.toml:3: pools.a.hash_by: means nothing with strategy = "round_robin"; want strategy = "hash", or no hash_by`,
		`c.toml:4: pools.a.sticky_cookie: means nothing with strategy = "round_robin"; want strategy = "sticky", or no sticky_cookie`,
		"c.toml:5: pools.a.slow_start: 25h is out of range; want 1ms to 24h, or 0s for none",
		"c.toml:8: pools.b.backends: all of them are backups; want one that isn't, or none that is",
		`c.toml:9: pools.b.hash_by: unexpected key "header:Host": Host says whom a request is for, and an absolute target overrides it; want a header that says who the client is, or ip`,
		`c.toml:12: pools.c.backends[0].backup: "yes" is a string; want true or false`,
		`c.toml:13: pools.c.sticky_cookie: "a b" is no cookie name; want one such as "equalizer-app"`,
	)
	c := accepted(t, `[pools.app]
strategy = "sticky"
backends = ["http://a", { url = "http://b", backup = true }]
slow_start = "30s"
[pools.api]
strategy = "sticky"
sticky_cookie = "at"
backends = ["http://c"]
[[routes]]
pool = "app"
fallback_pool = "api"
`)
	require.Equal(t, "equalizer-app", c.CookieOf("app"))
	require.Equal(t, "at", c.CookieOf("api"))
}

func TestCapacityMistakes(t *testing.T) {
	refused(t, `[pools.a]
backends = ["http://a", { url = "http://b", max_in_flight = 11 }]
max_connections = 10
max_in_flight = 1000001
queue = 0
queue_timeout = "1s"
[pools.b]
backends = [{ url = "http://a", max_in_flight = -1 }]
queue = 100001
queue_timeout = "0s"
[[routes]]
pool = "a"
priority = "urgent"
`,
		"c.toml:2: pools.a.backends[1].max_in_flight: 11 is more than the pool's max_connections, 10; want at most that",
		"c.toml:4: pools.a.max_in_flight: 1000001 is out of range; want 1 to 1000000, or 0 for none",
		"c.toml:6: pools.a.queue_timeout: means nothing with queue = 0; want a queue, or no queue_timeout",
		"c.toml:8: pools.b.backends[0].max_in_flight: -1 is out of range; want 1 to 1000000, or 0 for the pool's max_connections",
		"c.toml:9: pools.b.queue: 100001 is out of range; want 1 to 100000, or 0 for none",
		"c.toml:10: pools.b.queue_timeout: 0s is out of range; want 1ms to 24h",
		`c.toml:13: routes[0].priority: unexpected priority "urgent"; want high, normal or low`,
	)
	c := accepted(t, `[pools.a]
backends = ["http://a", { url = "http://b", max_in_flight = 10 }]
max_connections = 10
queue = 5
queue_timeout = "250ms"
[[routes]]
priority = "low"
`)
	require.Equal(t, 10, c.Pools["a"].Backends[1].MaxInFlight)
	require.Equal(t, balancer.PriorityLow, c.Routes[0].Priority)
}

func TestSplitMistakes(t *testing.T) {
	const pools = "[pools.a]\nbackends = [\"http://a\"]\n[pools.b]\nbackends = [\"http://b\"]\n"
	refused(t, pools+`[[routes]]
host = "a"
pool = "a"
pools = [{ pool = "a", weight = 1 }, { pool = "c", weight = 2000 }, { weight = 1 }, { pool = "a" }]
[[routes]]
host = "b"
pools = [{ pool = "a", weight = 0 }, { pool = "b", weight = 0 }]
split_by = "cookie"
fallback_pool = "b"
[[routes]]
host = "c"
pool = "a"
split_by = "ip"
[[routes]]
host = "d"
redirect = { to = "https://b/" }
pools = [{ pool = "a", weight = 1 }]
`,
		"c.toml:7: routes[0].pool: there are pools too; want one of the two",
		"c.toml:8: routes[0].pools[1].weight: 2000 is out of range; want 0 to 1000",
		`c.toml:8: routes[0].pools[1].pool: "c" is no pool; did you mean a?`,
		`c.toml:8: routes[0].pools[3].pool: "a" is in routes[0].pools[0] too; want each once`,
		"c.toml:11: routes[1].pools: all weights are 0; want one above that",
		`c.toml:12: routes[1].split_by: unexpected key "cookie"; want ip, header:NAME, tls:spki or tls:san`,
		`c.toml:13: routes[1].fallback_pool: "b" is among the route's pools already; want another one, or none`,
		"c.toml:17: routes[2].split_by: means nothing without pools; want pools, or no split_by",
		"c.toml:21: routes[3].pools: means nothing with redirect, which needs no backend; want no redirect, or no pools",
		"c.toml: routes[0].pools[2].pool: there is none; want the name of a pool",
		"c.toml: routes[0].pools[3].weight: there is none; want its share, as a number",
	)
	c := accepted(t, pools+`[[routes]]
pools = [{ pool = "a", weight = 95 }, { pool = "b", weight = 5 }]
split_by = "header:X-User"
`)
	require.Equal(t, []string{"a", "b"}, c.RoutesInForce()[0].PoolNames())
	require.Empty(t, c.RoutesInForce()[0].Pool)
}
