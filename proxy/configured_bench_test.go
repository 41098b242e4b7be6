//go:build unix

package proxy

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

// BenchmarkConfigured is what a request costs more if all that a pool can do is configured, beside
// round_robin alone: ejections, a budget of retries, places, clients' shares and a queue. It
// compares that with the CPU of a request, in the same run. All are medians, since others use the
// processors as well.
func BenchmarkConfigured(b *testing.B) {
	const batch = 1000
	var pools [2]*balancer.Pool
	for i, s := range []balancer.Settings{{}, everything()} {
		s.Backends = readyAt(lean(b, ok), lean(b, ok), lean(b, ok))
		s.Health = balancer.HealthSettings{Type: balancer.HealthTCP, Interval: time.Minute, Timeout: patience, Rise: 1, Fall: 1}
		s.NewProber, s.Logger = NewBackends(connectionSettings()).New, zerolog.Nop()
		pools[i] = probed(b, s).balancers[0]
		b.Cleanup(pools[i].Close)
	}
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	steps := [4]func(){
		func() { attempt(b, pools[0]) }, func() { attempt(b, pools[1]) },
		leanClient(b, lean(b, ok), request), exercise(b, ok, request, nil, true),
	}
	var took [4][]float64
	for b.Loop() {
		for i, step := range steps {
			began := spent(b)
			for range batch {
				step()
			}
			took[i] = append(took[i], float64(spent(b)-began)/batch)
		}
	}
	var each [4]float64
	for i := range took {
		slices.Sort(took[i])
		each[i] = took[i][len(took[i])/2]
	}
	b.ReportMetric(each[0], "ns/alone")
	b.ReportMetric(each[1], "ns/configured")
	b.ReportMetric(each[3]-each[2], "ns/request")
	b.ReportMetric(100*(each[1]-each[0])/(each[3]-each[2]), "%/request")
}

// everything is all that a pool can do for a request that succeeds.
func everything() balancer.Settings {
	return balancer.Settings{
		MaxConnections: 100, MaxInFlight: 200, ClientShare: 0.5, SlowStart: time.Second,
		Queue: balancer.QueueSettings{Length: 100, Timeout: time.Second},
		Ejection: balancer.EjectionSettings{
			Consecutive: 5, Statuses: []balancer.StatusRange{{First: 500, Last: 599}}, SuccessRate: true, Latency: true, Interval: 10 * time.Second,
			Deviations: 3, MinRequests: 100, MinBackends: 3, Time: time.Second, MaxTime: time.Minute, MaxPercent: 50, PanicPercent: 50,
		},
		RetryBudget: &balancer.BudgetSettings{Percent: 20, Floor: 10},
	}
}

func readyAt(addrs ...string) (all []balancer.BackendSettings) {
	for _, addr := range addrs {
		all = append(all, balancer.BackendSettings{URL: "http://" + addr, Addr: addr, Weight: 1, State: balancer.Ready})
	}
	return all
}

// attempt is a request that succeeds, as its pool sees it.
func attempt(b *testing.B, p *balancer.Pool) {
	attempts := p.Attempts(balancer.Client{Holder: 7}, balancer.Retry{Most: 2})
	a, err := attempts.Await(balancer.Wait{})
	if err != nil {
		b.Error(err)
		return
	}
	a.End(balancer.Result{Status: 200, Latency: time.Millisecond})
}

// spent is the CPU time of the process, in nanoseconds: that of clients and backends, too.
func spent(b *testing.B) int64 {
	var r syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return r.Utime.Nano() + r.Stime.Nano()
}
