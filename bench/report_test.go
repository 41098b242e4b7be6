package bench

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sample() Report {
	return Report{
		Rate: 100, Seconds: 19.68, Rounds: 20, RoundRequests: 50,
		Direct: Side{
			URL: "http://a/?b&c", Requests: 1000, Warmup: 50, Responses: map[int]int{200: 1000}, Errors: map[string]int{},
			Latency: latency(0.2, 0.3, 1),
		},
		Through: &Side{
			URL: "http://b/", Requests: 1000, Warmup: 50, Failures: 7, Late: 1, Responses: map[int]int{502: 3, 200: 993},
			Errors: map[string]int{"connection refused": 4}, Latency: latency(0.3, 0.45, 0.9),
		},
		Overhead: latency(0.1, 0.15, -0.1), Noise: latency(0.01, 0.02, 0.3),
	}
}

func TestReportForPeople(t *testing.T) {
	assert.Equal(t, `100 requests a second for 19.7 s, in rounds of 50

           requests  failures      p50 ms      p90 ms      p99 ms
direct         1000         0       0.200       0.300       1.000
through        1000         7       0.300       0.450       0.900
overhead                           +0.100      +0.150      -0.100
noise                               0.010       0.020       0.300

direct: 200: 1000
through: 200: 993, 502: 3, connection refused: 4
noise: how much direct differs from itself, one half of its rounds from the other
`, sample().String())
}

func TestReportOfTheTargetAlone(t *testing.T) {
	r := sample()
	r.Through, r.Overhead, r.Noise = nil, nil, nil
	r.Direct.Latency = nil
	r.Stopped = "interrupted"
	assert.Equal(t, `100 requests a second for 19.7 s, in rounds of 50

           requests  failures      p50 ms      p90 ms      p99 ms
direct         1000         0           -           -           -

direct: 200: 1000
stopped early: interrupted
`, r.String())
}

func TestNotes(t *testing.T) {
	f := func(change func(*Report), want string) {
		t.Helper()
		r := sample()
		require.NotContains(t, r.String(), want)
		change(&r)
		assert.Contains(t, r.String(), want)
	}
	f(func(r *Report) { r.Noise.P50 = r.Overhead.P50 }, "\nthe overhead at p50 is lost in the noise: a longer run may tell\n")
	f(func(r *Report) { r.Through.Late = 21 }, "\n21 of 2000 requests were sent over 10ms late: this machine is too busy for the rate\n")
	f(func(r *Report) { r.Direct.Responses[429] = 1 }, "\n429: a limit on the way refused requests; lift it for this client to measure more of them\n")
	f(func(r *Report) { r.Through.Responses[429] = 1 }, "\n429: a limit on the way refused requests; lift it for this client to measure more of them\n")
	f(func(r *Report) { r.Stopped = "why" }, "\nstopped early: why\n")
}

func TestReportAsJSON(t *testing.T) {
	f := func(r Report, want string) {
		t.Helper()
		got, err := json.Marshal(r)
		require.NoError(t, err)
		assert.JSONEq(t, want, string(got))
	}
	f(sample(), `{"rate":100,"seconds":19.68,"rounds":20,"round_requests":50,"stopped":"",
		"direct":{"url":"http://a/?b&c","requests":1000,"warmup":50,"failures":0,"late":0,"responses":{"200":1000},"errors":{},
			"latency_ms":{"p50":0.2,"p90":0.3,"p99":1}},
		"through":{"url":"http://b/","requests":1000,"warmup":50,"failures":7,"late":1,"responses":{"200":993,"502":3},
			"errors":{"connection refused":4},"latency_ms":{"p50":0.3,"p90":0.45,"p99":0.9}},
		"overhead_ms":{"p50":0.1,"p90":0.15,"p99":-0.1},"noise_ms":{"p50":0.01,"p90":0.02,"p99":0.3}}`)
	f(Report{}, `{"rate":0,"seconds":0,"rounds":0,"round_requests":0,"stopped":"",
		"direct":{"url":"","requests":0,"warmup":0,"failures":0,"late":0,"responses":null,"errors":null,"latency_ms":null},
		"through":null,"overhead_ms":null,"noise_ms":null}`)
}
