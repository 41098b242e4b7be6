package limiter

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// BenchmarkLargeReload measures how long takes take while numbers are changed, and while they
// aren't, in one run: 10 million buckets, takes of random clients by several goroutines, and a
// reload every second. Phases with and without reloads take turns. It wants 3 GB.
func BenchmarkLargeReload(b *testing.B) { benchmarkReload(b, 10_000_000, 10) }

// BenchmarkReload is the same with fewer buckets.
func BenchmarkReload(b *testing.B) { benchmarkReload(b, 300_000, 2) }

func benchmarkReload(b *testing.B, clients, phases int) {
	const takers, phase = 2, 3 * time.Second
	limit := limitNamed("a", "ip")
	limit.Settings, limit.MaxBuckets = plenty(), 1<<30
	o := Options{
		Limits: []LimitOptions{limit}, FlushInterval: time.Hour, StoreTimeout: time.Minute, Volatile: true, Logger: zerolog.Nop(),
	}
	s, err := Open(context.Background(), o, newFakeStore())
	if err != nil {
		b.Fatal(err)
	}
	l := s.Limit("a")
	everyone(clients, func(clientID string) { l.Take(clientID, 1) })
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	defer running.Wait()
	defer cancel()

	var reloading, stop atomic.Bool
	latencies := make([][2][]int32, takers)
	for n := range takers {
		for i := range 2 {
			latencies[n][i] = make([]int32, 0, 100_000_000/takers)
		}
	}
	for b.Loop() {
		stop.Store(false)
		var takes sync.WaitGroup
		for n := range takers {
			takes.Go(func() { latencies[n] = timeTakes(l, clients, uint64(n), &reloading, &stop, latencies[n]) })
		}
		for n := range 2 * phases {
			reloading.Store(n%2 == 1)
			for range phase / time.Second {
				if n%2 == 1 {
					reloadOther(b, s, o)
				}
				time.Sleep(time.Second)
			}
		}
		stop.Store(true)
		takes.Wait()
	}
	report(b, latencies)
}

// reloadOther changes the capacity, to another one each time.
func reloadOther(b *testing.B, s *Service, o Options) {
	limit := o.Limits[0]
	limit.Settings.Capacity -= rand.Int64N(1_000_000_000)
	o.Limits = []LimitOptions{limit}
	r, err := s.Prepare(context.Background(), o)
	if err != nil {
		b.Error(err)
		return
	}
	r.Apply()
}

// timeTakes takes until it is stopped, and returns how many nanoseconds each take took: without
// reloads, and with them.
func timeTakes(l *Limit, clients int, seed uint64, reloading, stop *atomic.Bool, all [2][]int32) [2][]int32 {
	v := newVisitor(clients, seed<<40)
	for !stop.Load() {
		to := &all[0]
		if reloading.Load() {
			to = &all[1]
		}
		for range 100 {
			id := v.next()
			begin := time.Now()
			l.Take(id, 1)
			took := min(time.Since(begin), 1<<31-1)
			if len(*to) < cap(*to) {
				*to = append(*to, int32(took))
			}
		}
	}
	return all
}

func report(b *testing.B, latencies [][2][]int32) {
	var all [2][]int32
	for _, l := range latencies {
		for i := range all {
			all[i] = append(all[i], l[i]...)
		}
	}
	for i := range all {
		slices.Sort(all[i])
	}
	for _, p := range []struct {
		name string
		part float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"p99.999", 0.99999}} {
		at := func(all []int32) float64 { return float64(all[int(p.part*float64(len(all)-1))]) }
		b.ReportMetric(at(all[0]), p.name+"-ns")
		b.ReportMetric(at(all[1])/at(all[0]), p.name+"-ratio")
	}
	b.ReportMetric(float64(len(all[1])), "takes-reloading")
	b.ReportMetric(0, "ns/op")
}
