package balancer

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkPick measures what a pick takes while all processors pick, over as many backends as the
// name says, and what it takes to give the place back. It compares a pick with an atomic add to a
// number that all processors add to, in the same run. All are medians, since others use the
// processors as well.
func BenchmarkPick(b *testing.B) {
	for _, strategy := range strategies {
		for _, n := range []int{3, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", strategy, n), func(b *testing.B) {
				p := named(poolOf(strategy, equal(n)...))
				var number atomic.Uint64
				b.ReportAllocs()
				b.ResetTimer()
				times := onAll(b.N, func() (turn func() [3]time.Duration) {
					client := Client{Key: rand.Uint64()}
					var first tried
					var held [batch]*Backend
					return func() [3]time.Duration {
						began := time.Now()
						for range held {
							number.Add(1)
						}
						added := time.Now()
						for i := range held {
							client.Key += 1 << 48
							held[i], _ = p.pick(&client, &first)
						}
						picked := time.Now()
						for _, b := range held {
							b.end(0, Result{Status: 200, Latency: time.Millisecond})
						}
						return [3]time.Duration{added.Sub(began), picked.Sub(added), time.Since(picked)}
					}
				})
				b.StopTimer()
				add, pick, end := median(times[0]), median(times[1]), median(times[2])
				b.ReportMetric(pick/batch, "ns/pick")
				b.ReportMetric(end/batch, "ns/end")
				b.ReportMetric(pick/add, "adds/pick")
			})
		}
	}
}

// batch is how many picks are made between two looks at the clock.
const batch = 256

// onAll has all processors take turns until there were n picks, and returns what each turn took.
func onAll(n int, newTurn func() func() [3]time.Duration) (took [3][]time.Duration) {
	processors := runtime.GOMAXPROCS(0)
	var all sync.WaitGroup
	var mu sync.Mutex
	for range processors {
		all.Go(func() {
			turn := newTurn()
			for range (n + batch*processors - 1) / (batch * processors) {
				one := turn()
				mu.Lock()
				for i := range one {
					took[i] = append(took[i], one[i])
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return took
}

func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2])
}
