package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api/metrics"
	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/meter"
)

// samples are those of a page, by name with labels.
func samples(t *testing.T, page string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		require.Positive(t, at, line)
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		require.NoError(t, err, line)
		require.NotContains(t, all, line[:at], "a sample comes once")
		all[line[:at]] = value
	}
	return all
}

// numbered is a Status in which each number is another one.
func numbered(t *testing.T) Status {
	n := 0
	var fill func(v any) any
	fill = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				v[key] = fill(v[key])
			}
		case []any:
			for i := range v {
				v[i] = fill(v[i])
			}
		case float64:
			n++
			return n
		}
		return v
	}
	text, err := json.Marshal(Status{Store: &StoreStatus{Driver: "bolt"}, Buckets: &BucketsStatus{}, Limits: []LimitStatus{{Name: "a"}, {Name: "b"}}})
	require.NoError(t, err)
	var tree any
	require.NoError(t, json.Unmarshal(text, &tree))
	text, err = json.Marshal(fill(tree))
	require.NoError(t, err)
	var s Status
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}

// What GET /status and GET /metrics both have is the same number under the same name.
func TestMetricsAndStatusAgree(t *testing.T) {
	status := numbered(t)
	status.Store.LastFlush = Moment{time.Unix(1_700_000_000, 0)}
	status.HTTP2.Oddities = map[string]int64{"ping": 12, "settings": 0}
	r := start(t, func(_ *Settings, s *Sources) { s.Status = func() Status { return status } })
	var shown map[string]map[string]any
	text := r.do(t, request{method: "GET", target: "/status"}).body
	var tree map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &tree))
	shown = map[string]map[string]any{}
	for _, group := range []string{"requests", "http2", "store", "reloads", "log", "runtime"} {
		var members map[string]any
		require.NoError(t, json.Unmarshal(tree[group], &members))
		shown[group] = members
	}
	got := samples(t, r.do(t, request{method: "GET", target: "/metrics"}).body)

	// Those whose names aren't made of the group and the key, or that are shown by their parts.
	named := map[string]string{
		"requests.total": "", "requests.allowed": "", // sums over equalizer_requests_total
		"requests.in_flight":   "equalizer_requests_in_flight",
		"reloads.done":         `equalizer_config_reloads_total{result="done"}`,
		"reloads.failed":       `equalizer_config_reloads_total{result="failed"}`,
		"log.dropped":          "equalizer_log_dropped_total",
		"requests.responses":   "",
		"reloads.more_changes": "",
		"runtime.goroutines":   "equalizer_goroutines",
		"runtime.heap_bytes":   "equalizer_heap_bytes",
		"store.dirty":          "equalizer_store_dirty",
		"store.lag_seconds":    "equalizer_store_lag_seconds",
		"store.flushes":        "equalizer_store_flushes_total",
		"store.flush_errors":   "equalizer_store_flush_errors_total",
		"store.flush_overruns": "equalizer_store_flush_overruns_total",
	}
	compared := 0
	for group, members := range shown {
		for key, value := range members {
			number, is := value.(float64)
			if !is {
				continue
			}
			name, special := named[group+"."+key]
			if special && name == "" {
				continue
			}
			if !special {
				name = "equalizer_" + key
				if group == "http2" {
					name = "equalizer_http2_" + key
				}
				if _, there := got[name]; !there {
					name += "_total"
				}
			}
			require.Contains(t, got, name, group+"."+key)
			assert.Equal(t, number, got[name], name)
			compared++
		}
	}
	assert.Greater(t, compared, 20)
	assert.EqualValues(t, status.Requests.Responses.Informational, got["equalizer_informational_total"])
	assert.EqualValues(t, 12, got[`equalizer_http2_oddities_total{kind="ping"}`])
	assert.Contains(t, got, `equalizer_http2_oddities_total{kind="settings"}`)
	assert.EqualValues(t, 1_700_000_000, got["equalizer_store_last_flush_timestamp_seconds"])
	for _, l := range status.Limits {
		of := func(name, result string) float64 {
			label := fmt.Sprintf(`{limit=%q`, l.Name)
			if result != "" {
				label += fmt.Sprintf(`,result=%q`, result)
			}
			require.Contains(t, got, name+label+"}")
			return got[name+label+"}"]
		}
		assert.EqualValues(t, l.Allowed, of("equalizer_limit_takes_total", "allowed"))
		assert.EqualValues(t, l.Limited, of("equalizer_limit_takes_total", "limited"))
		assert.EqualValues(t, l.Overflow, of("equalizer_limit_takes_total", "overflow"))
		assert.EqualValues(t, l.Exempt, of("equalizer_limit_takes_total", "exempt"))
		assert.EqualValues(t, l.Near, of("equalizer_limit_near_total", ""))
		assert.EqualValues(t, l.OverflowTakes, of("equalizer_limit_overflow_takes_total", ""))
		assert.EqualValues(t, l.Count, of("equalizer_buckets", ""))
		assert.EqualValues(t, l.Managed, of("equalizer_buckets_managed", ""))
		assert.EqualValues(t, l.Max, of("equalizer_buckets_max", ""))
		assert.EqualValues(t, l.Dirty, of("equalizer_buckets_dirty", ""))
	}
}

func observed(all ...time.Duration) (d meter.Distribution) {
	var h meter.Histogram
	for _, one := range all {
		h.Observe(one)
	}
	h.AddTo(&d)
	return d
}

func TestMetrics(t *testing.T) {
	expiry := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	r := start(t, func(_ *Settings, s *Sources) {
		s.Counts = func() Counts {
			shop := Traffic{Route: "shop", Pool: "www", Overhead: observed(30 * time.Microsecond)}
			shop.Requests = []RequestCount{{"GET", "200", 3}, {"_OTHER", "5xx", 1}}
			shop.Durations[2] = observed(time.Millisecond, 2*time.Second)
			return Counts{
				Traffic:  []Traffic{{Requests: []RequestCount{{"GET", "404", 2}}}, shop},
				Failures: []ReasonCount{{"no-backend", 4}}, Refused: []ReasonCount{{"field-value", 5}},
			}
		}
		probes := balancer.ProbeCounts{Succeeded: 7, Failed: 2, Durations: observed(time.Millisecond)}
		measured := balancer.Measured{Retries: 4, Latency: observed(time.Millisecond)}
		measured.Faults[balancer.Late], measured.Responses[5] = 1, 6
		s.Backends = func() []balancer.BackendStatus {
			return []balancer.BackendStatus{{Pool: "www", URL: "http://b", Weight: 2, State: balancer.Drain, Healthy: true, InFlight: 3, Requests: 9, Failures: 1, Measured: measured, Probes: probes}}
		}
		s.Pools = func() []balancer.PoolStatus { return []balancer.PoolStatus{crowdedPool()} }
		s.Certificates = func() []Certificate {
			c := Certificate{Names: []string{"a", "b"}, Cert: "a.pem", Key: "RSA 2048", NotAfter: Moment{expiry}}
			return []Certificate{c, c, {Names: []string{"c"}, ACME: true}}
		}
	})
	got := samples(t, r.do(t, request{method: "GET", target: "/metrics"}).body)
	for name, want := range map[string]float64{
		`equalizer_build_info{version="v1.2.3"}`:                                                1,
		`equalizer_requests_total{route="",pool="",code="404",method="GET"}`:                    2,
		`equalizer_requests_total{route="shop",pool="www",code="200",method="GET"}`:             3,
		`equalizer_requests_total{route="shop",pool="www",code="5xx",method="_OTHER"}`:          1,
		`equalizer_request_duration_seconds_bucket{route="shop",pool="www",class="2xx",le="1"}`: 1,
		`equalizer_request_duration_seconds_count{route="shop",pool="www",class="2xx"}`:         2,
		`equalizer_proxy_overhead_seconds_count{route="shop",pool="www"}`:                       1,
		`equalizer_failures_total{reason="no-backend"}`:                                         4,
		`equalizer_refused_total{reason="field-value"}`:                                         5,
		`equalizer_backend_up{pool="www",backend="http://b"}`:                                   1,
		`equalizer_backend_state{pool="www",backend="http://b",state="drain"}`:                  1,
		`equalizer_backend_weight{pool="www",backend="http://b"}`:                               2,
		`equalizer_backend_in_flight{pool="www",backend="http://b"}`:                            3,
		`equalizer_backend_requests_total{pool="www",backend="http://b"}`:                       9,
		`equalizer_backend_failures_total{pool="www",backend="http://b",reason="late"}`:         1,
		`equalizer_backend_failures_total{pool="www",backend="http://b",reason="broke"}`:        0,
		`equalizer_backend_retries_total{pool="www",backend="http://b"}`:                        4,
		`equalizer_backend_responses_total{pool="www",backend="http://b",class="5xx"}`:          6,
		`equalizer_backend_response_seconds_count{pool="www",backend="http://b"}`:               1,
		`equalizer_backend_probes_total{pool="www",backend="http://b",result="succeeded"}`:      7,
		`equalizer_backend_probes_total{pool="www",backend="http://b",result="failed"}`:         2,
		`equalizer_backend_probe_duration_seconds_count{pool="www",backend="http://b"}`:         1,
		`equalizer_pool_available{pool="www"}`:                                                  2,
		`equalizer_pool_in_flight{pool="www"}`:                                                  4,
		`equalizer_pool_max_in_flight{pool="www"}`:                                              5,
		`equalizer_pool_queue_length{pool="www"}`:                                               1,
		`equalizer_pool_queue_max{pool="www"}`:                                                  2,
		`equalizer_pool_queue_wait_seconds_count{pool="www"}`:                                   1,
		`equalizer_pool_queue_refused_total{pool="www",priority="low"}`:                         3,
		`equalizer_pool_queue_timeouts_total{pool="www"}`:                                       7,
		`equalizer_pool_queue_left_total{pool="www"}`:                                           8,
		`equalizer_tls_certs_not_after{names="a,b",cert="a.pem",key="RSA 2048"}`:                float64(expiry.Unix()),
		`equalizer_config_last_reload_success`:                                                  1,
	} {
		require.Contains(t, got, name)
		assert.Equal(t, want, got[name], name)
	}
	assert.Equal(t, got["process_start_time_seconds"], got["equalizer_config_last_reload_timestamp_seconds"], "the start is the first")
	assert.NotContains(t, got, "equalizer_store_lag_seconds", "nothing is limited")
}

func TestMetricsInTheFormatThatIsAccepted(t *testing.T) {
	r := start(t, nil)
	got := r.do(t, request{method: "GET", target: "/metrics"})
	assert.Equal(t, "text/plain; version=0.0.4; charset=utf-8", got.get("Content-Type"))
	assert.NotContains(t, got.body, "# EOF")
	got = r.do(t, request{method: "GET", target: "/metrics", header: []string{"Accept: text/plain;q=0.5", "Accept: application/openmetrics-text"}})
	assert.Equal(t, "application/openmetrics-text; version=1.0.0; charset=utf-8", got.get("Content-Type"))
	assert.True(t, strings.HasSuffix(got.body, "\n# EOF\n"))
	assert.Equal(t, 200, r.do(t, request{method: "HEAD", target: "/metrics"}).status)
	r.do(t, request{method: "POST", target: "/metrics"}).problem(t, 405, "method-not-allowed")
}

// Who may read may scrape.
func TestMetricsWantAToken(t *testing.T) {
	r := start(t, func(s *Settings, _ *Sources) { s.Token, s.ReadToken = "0123456789abcdef", "fedcba9876543210" })
	assert.Equal(t, 401, r.do(t, request{method: "GET", target: "/metrics"}).status)
	for _, token := range []string{"0123456789abcdef", "fedcba9876543210"} {
		got := r.do(t, request{method: "GET", target: "/metrics", header: []string{"Authorization: Bearer " + token}})
		assert.Equal(t, 200, got.status)
	}
}

// large is what a large site has: 50 pools with 20 backends each, 200 routes.
func large() *snapshot {
	var backends []balancer.BackendStatus
	var counts Counts
	for pool := range 50 {
		name := "pool-" + strconv.Itoa(pool)
		for i := range 20 {
			backends = append(backends, balancer.BackendStatus{
				Pool: name, URL: fmt.Sprintf("http://192.0.2.%d:8080", i), State: balancer.Ready, Healthy: true, Weight: 1, Requests: 123_456_789, InFlight: 12,
				Measured: balancer.Measured{Latency: observed(time.Millisecond, time.Second)},
			})
		}
		for i := range 4 {
			t := Traffic{Route: fmt.Sprint("route-", pool, "-", i), Pool: name, Overhead: observed(time.Millisecond)}
			t.Requests = []RequestCount{{"GET", "200", 123_456}, {"POST", "201", 1234}, {"GET", "429", 99_999}}
			t.Durations[2], t.Durations[4] = observed(time.Second), observed(time.Millisecond)
			counts.Traffic = append(counts.Traffic, t)
		}
	}
	return &snapshot{sources: Sources{
		Status: func() Status { return Status{} }, Counts: func() Counts { return counts },
		Backends: func() []balancer.BackendStatus { return backends },
	}}
}

// What a scrape costs, as a multiple of writing as many lines that are there already, in turn.
func BenchmarkMetrics(b *testing.B) {
	s := large()
	var lines [][]byte
	for line := range strings.Lines(string(s.metricsPage(metrics.Text))) {
		lines = append(lines, []byte(line))
	}
	size := s.pageSize.Load()
	var scrapes, bare time.Duration
	for b.Loop() {
		began := time.Now()
		s.metricsPage(metrics.Text)
		scraped := time.Now()
		page := make([]byte, 0, size+size/8)
		for _, line := range lines {
			page = append(page, line...)
		}
		b.SetBytes(int64(len(page)))
		scrapes, bare = scrapes+scraped.Sub(began), bare+time.Since(scraped)
	}
	b.ReportMetric(float64(len(lines)), "lines")
	b.ReportMetric(scrapes.Seconds()/bare.Seconds(), "scrape/bare")
}
