package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

func TestEjectionMistakes(t *testing.T) {
	refused(t, `[pools.default]
backends = ["http://a"]
[pools.default.ejection]
consecutive_failures = -1
statuses = ["500", "600"]
interval = "10ms"
deviations = 0.5
min_requests = 0
min_backends = 1
max_time = "5s"
max_ejected_percent = 100
panic_percent = -1
`,
		`c.toml:4: pools.default.ejection.consecutive_failures: -1 is out of range; want 1 to 1000, or 0 to count none`,
		`c.toml:5: pools.default.ejection.statuses[1]: statuses "600": "600" is not a status from 100 to 599; want one such as 204, or a range such as 200-299`,
		`c.toml:6: pools.default.ejection.interval: 10ms is out of range; want 1s to 1h`,
		`c.toml:7: pools.default.ejection.deviations: 0.5 is out of range; want 1 to 100`,
		`c.toml:8: pools.default.ejection.min_requests: 0 is out of range; want 1 to 1000000`,
		`c.toml:9: pools.default.ejection.min_backends: 1 is out of range; want 2 to 1000`,
		`c.toml:10: pools.default.ejection.max_time: max_time, 5s, is shorter than time, 10s; want at least that`,
		`c.toml:11: pools.default.ejection.max_ejected_percent: 100 is out of range; want 0 to 99`,
		`c.toml:12: pools.default.ejection.panic_percent: -1 is out of range; want 0 to 100`,
	)
	refused(t, "[pools.default]\nbackends = [\"http://a\"]\nejection.time = \"10m\"\n",
		`c.toml:3: pools.default.ejection.time: max_time, 5m, is shorter than time, 10m; want at least that`)
	c := accepted(t, `[pools.default]
backends = ["http://a"]
ejection = { consecutive_failures = 0, statuses = [], success_rate = true }
`)
	require.Empty(t, c.Pools["default"].Ejection.Statuses)
	c = accepted(t, "[pools.default]\nbackends = [\"http://a\"]\n")
	require.Equal(t, []balancer.StatusRange{{First: 502, Last: 504}}, c.Pools["default"].Ejection.Statuses)
}

func TestRetryMistakes(t *testing.T) {
	refused(t, `[pools.default]
backends = ["http://a"]
response_timeout = "1s"
[pools.default.retry]
attempts = 5
statuses = ["x"]
per_try_timeout = "2s"
backoff = "11s"
body = "17MiB"
[pools.default.retry_budget]
percent = 101
floor = -1
[[routes]]
[routes.retry]
attempts = 0
backoff = "1s"
`,
		`c.toml:5: pools.default.retry.attempts: 5 is out of range; want 1 to 4`,
		`c.toml:6: pools.default.retry.statuses[0]: statuses "x": "x" is not a status from 100 to 599; want one such as 204, or a range such as 200-299`,
		`c.toml:7: pools.default.retry.per_try_timeout: 2s is longer than the response_timeout, 1s; want at most that`,
		`c.toml:8: pools.default.retry.backoff: 11s is out of range; want 1ms to 10s, or 0s for none`,
		`c.toml:9: pools.default.retry.body: 17MiB is out of range; want 0 to 16MiB, as every request with a body may take memory of this size`,
		`c.toml:11: pools.default.retry_budget.percent: 101 is out of range; want 0 to 100`,
		`c.toml:12: pools.default.retry_budget.floor: -1 is out of range; want 0 to 1000000`,
		`c.toml:15: routes[0].retry.attempts: 0 is out of range; want 1 to 4`,
		`c.toml:16: routes[0].retry.backoff: max_backoff, 250ms, is shorter than backoff, 1s; want at least that`,
	)
	c := accepted(t, `[pools.default]
backends = ["http://a"]
retry = { attempts = 3, per_try_timeout = "1s" }
[[routes]]
retry = { statuses = ["503"] }
[[routes]]
path_prefix = "/a"
`)
	require.Equal(t, 3, c.Pools["default"].Retry.Attempts)
	own := *c.Routes[0].Retry
	require.Equal(t, 2, own.Attempts, "what a route leaves out has the default, and isn't the pool's")
	require.Zero(t, own.PerTryTimeout)
	require.Equal(t, 25*time.Millisecond, own.Backoff)
	require.Nil(t, c.Routes[1].Retry)
	refused(t, `[pools.default]
backends = ["http://a"]
[[routes]]
respond = { status = 204 }
retry = { attempts = 1 }
`, `c.toml:5: routes[0].retry: means nothing with respond, which needs no backend; want no respond, or no retry`)
}
