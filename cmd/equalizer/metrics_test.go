package main

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// metrics are the samples of GET /metrics, by their names with labels.
func (p *proxied) metrics(header ...string) map[string]float64 {
	p.t.Helper()
	a := p.do("GET", p.admin+"/metrics", "", header...)
	require.Equal(p.t, 200, a.status, a.body)
	all := map[string]float64{}
	for line := range strings.Lines(a.body) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		require.NoError(p.t, err, line)
		all[line[:at]] = value
	}
	return all
}

// sum adds up the samples whose names match.
func sum(all map[string]float64, expr string) (total float64) {
	pattern := regexp.MustCompile("^" + expr + "$")
	for name, value := range all {
		if pattern.MatchString(name) {
			total += value
		}
	}
	return total
}

// Routes, limits and backends are counted by their names. GET /status says the same, a reload keeps
// the counts and ends those of what left, and there is nothing of a client's in a name.
func TestMetrics(t *testing.T) {
	_, flags := startBackends(t, 1)
	backend := flags[1]
	const routes = `
[limits.address]
capacity = 3
refill = "1/1h"
[store]
driver = "memory"
[[routes]]
name = "api"
host = "api.example.com"
pool = "www"
limits = ["address"]
`
	shop := "[[routes]]\nname = \"shop\"\nhost = \"shop.example.com\"\npool = \"www\"\n"
	text := local0 + "read_token = \"a-token-that-only-reads\"\ntoken = \"a-token-for-everything\"\n" + poolOf("www", backend) + routes
	p := launchWith(t, text+shop)
	reads := []string{"Authorization", "Bearer a-token-that-only-reads"}
	ask := func(host, path string, want int) {
		t.Helper()
		assert.Equal(t, want, p.ask("GET", host, path, "User-Agent", "secret-agent").status)
	}
	for _, want := range []int{200, 200, 200, 429} {
		ask("api.example.com", "/secret-path?token=secret-query", want)
	}
	ask("shop.example.com", "/", 200)
	ask("unknown.example.com", "/", 404)
	p.await("the last request to be over", func() bool {
		return sum(p.metrics(reads...), `equalizer_request_duration_seconds_count\{.*\}`) == 6
	})

	got := p.metrics(reads...)
	way := func(name, route, rest string) string { return name + `{route="` + route + `",pool="www"` + rest + "}" }
	assert.EqualValues(t, 3, got[way("equalizer_requests_total", "api", `,code="200",method="GET"`)])
	assert.EqualValues(t, 1, got[way("equalizer_requests_total", "api", `,code="429",method="GET"`)])
	assert.EqualValues(t, 1, got[way("equalizer_requests_total", "shop", `,code="200",method="GET"`)])
	assert.EqualValues(t, 1, got[`equalizer_requests_total{route="",pool="",code="404",method="GET"}`])
	assert.EqualValues(t, 3, got[way("equalizer_request_duration_seconds_count", "api", `,class="2xx"`)])
	assert.EqualValues(t, 3, got[way("equalizer_proxy_overhead_seconds_count", "api", "")])
	assert.Less(t, got[way("equalizer_proxy_overhead_seconds_sum", "api", "")], got[way("equalizer_request_duration_seconds_sum", "api", `,class="2xx"`)])
	assert.EqualValues(t, 3, got[`equalizer_limit_takes_total{limit="address",result="allowed"}`])
	assert.EqualValues(t, 1, got[`equalizer_limit_takes_total{limit="address",result="limited"}`])
	assert.EqualValues(t, 1, got[`equalizer_limit_near_total{limit="address"}`])
	assert.EqualValues(t, 1, got[`equalizer_buckets{limit="address"}`])
	of := `{pool="www",backend="` + backend + `"}`
	assert.EqualValues(t, 1, got["equalizer_backend_up"+of])
	assert.EqualValues(t, 4, got["equalizer_backend_requests_total"+of])
	assert.EqualValues(t, 1, got[`equalizer_failures_total{reason="no-route"}`])
	assert.EqualValues(t, 1, got["equalizer_config_last_reload_success"])

	status := p.do("GET", p.admin+"/status", "", reads...)
	number := func(expr string) float64 {
		found := regexp.MustCompile(expr + `:(\d+)`).FindStringSubmatch(status.body)
		require.NotNil(t, found, status.body)
		n, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		return n
	}
	assert.Equal(t, number(`"requests":\{"total"`), sum(got, `equalizer_requests_total\{.*\}`))
	assert.Equal(t, number(`"2xx"`), sum(got, `equalizer_requests_total\{.*code="2.*\}`))
	assert.Equal(t, number(`"4xx"`), sum(got, `equalizer_requests_total\{.*code="4.*\}`))
	assert.Equal(t, number(`"limited"`), got[`equalizer_limit_takes_total{limit="address",result="limited"}`])

	page := p.do("GET", p.admin+"/metrics", "", reads...).body
	for _, secret := range []string{"secret", "unknown.example.com", "127.0.0.1\"", "a-token"} {
		assert.NotContains(t, page, secret)
	}
	assert.Equal(t, 401, p.do("GET", p.admin+"/metrics", "").status)

	p.write(text)
	reload := p.do("POST", p.admin+"/reload", "{}", "Authorization", "Bearer a-token-for-everything")
	require.Equal(t, 200, reload.status, reload.body)
	got = p.metrics(reads...)
	assert.EqualValues(t, 3, got[way("equalizer_requests_total", "api", `,code="200",method="GET"`)])
	assert.Zero(t, sum(got, `equalizer.*route="shop".*`), "it left")
	assert.EqualValues(t, 1, got[`equalizer_config_reloads_total{result="done"}`])
	p.stop()
}

// What leaves the configuration has no series any more: routes, pools, backends, limits and
// certificates.
func TestSeriesEnd(t *testing.T) {
	ca := tlstest.NewCA(t)
	_, flags := startBackends(t, 3)
	stays, goes, other := flags[1], flags[3], flags[5]
	text := byReload + clearAndSecure + "[store]\ndriver = \"memory\"\n" + limitOf("stays", 100)
	pair := newPair(t, ca.Issue("stays.test"))
	before := text + limitOf("goes", 100) + poolOf("www", stays, goes) + poolOf("goes", other) + pair.table() + newPair(t, ca.Issue("goes.test")).table() + `
[[routes]]
pool = "www"
limits = ["stays"]
[[routes]]
name = "goes"
path_prefix = "/goes"
pool = "goes"
limits = ["goes"]
`
	r, clear, _ := launchEdge(t, before)
	r.proxy = "http://" + clear
	for range 4 {
		require.Equal(t, 200, r.get("/").status)
		require.Equal(t, 200, r.get("/goes").status)
	}
	gone := `.*"(goes|goes\.test|` + regexp.QuoteMeta(goes) + "|" + regexp.QuoteMeta(other) + `)".*`
	names := func() map[string]bool {
		of := map[string]bool{}
		for name := range r.metrics() {
			if name, labels, _ := strings.Cut(name, "{"); regexp.MustCompile(gone).MatchString(labels) {
				of[name] = true
			}
		}
		return of
	}
	r.await("all to be counted", func() bool { return names()["equalizer_request_duration_seconds_count"] })
	for _, name := range []string{
		"equalizer_requests_total", "equalizer_proxy_overhead_seconds_sum", "equalizer_backend_up", "equalizer_backend_response_seconds_bucket",
		"equalizer_pool_available", "equalizer_limit_takes_total", "equalizer_buckets", "equalizer_tls_certs_not_after",
	} {
		assert.Contains(t, names(), name)
	}

	r.reloads(text + poolOf("www", stays) + pair.table() + "[[routes]]\npool = \"www\"\nlimits = [\"stays\"]\n")
	r.await("their end", func() bool { return len(names()) == 0 })
	got := r.metrics()
	assert.EqualValues(t, 4, got[`equalizer_requests_total{route="/",pool="www",code="200",method="GET"}`])
	assert.EqualValues(t, 4, got[`equalizer_limit_takes_total{limit="stays",result="allowed"}`])
	assert.Positive(t, got[`equalizer_backend_requests_total{pool="www",backend="`+stays+`"}`])
	r.stop()
}

// Scrapes in a row cost no request anything but time.
func TestScrapesUnderLoad(t *testing.T) {
	_, flags := startBackends(t, 2)
	p := launch(t, free(append(flags, "--store", "memory", "--capacity", "1000000")...)...)
	var load sync.WaitGroup
	done := make(chan struct{})
	load.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				a, err := do("GET", p.admin+"/metrics", "")
				assert.NoError(t, err)
				assert.Equal(t, 200, a.status)
			}
		}
	})
	p.getMany(500)
	close(done)
	load.Wait()
	assert.EqualValues(t, 500, sum(p.metrics(), `equalizer_requests_total\{.*code="200".*\}`))
	p.stop()
}
