package limiter

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/puzpuzpuz/xsync/v3"
	xrate "golang.org/x/time/rate"

	"gopher-equalizer/limiter/gcra"
)

// Benchmarks whose names begin with BenchmarkLarge take gigabytes and minutes: make bench-go
// and make bench-compare run them only with BENCH=Large.

// crowd is a number of clients that requests come from.
type crowd struct {
	name    string
	clients int
}

func crowds() []crowd { return []crowd{{"hot", 1}, {"10k", 10_000}, {"1M", 1_000_000}} }

// visitor makes client_ids of 16 bytes in a buffer, as requests bring them.
type visitor struct {
	buffer  []byte
	state   uint64
	clients uint64
}

func newVisitor(clients int, seed uint64) *visitor {
	return &visitor{buffer: []byte("client-000000000"), state: seed, clients: uint64(clients)}
}

// next is one of the clients at random, valid until the next call.
func (v *visitor) next() string {
	v.state = v.state*6364136223846793005 + 1442695040888963407
	return v.client((v.state >> 33) % v.clients)
}

func (v *visitor) client(n uint64) string {
	for i := len(v.buffer) - 1; i >= len("client-"); i-- {
		v.buffer[i] = '0' + byte(n%10)
		n /= 10
	}
	return aliasing(v.buffer)
}

// everyone calls take once for each client.
func everyone(clients int, take func(clientID string)) {
	v := newVisitor(clients, 0)
	for n := range clients {
		take(v.client(uint64(n)))
	}
}

// benchmarkTakes makes the taker, once for all runs with a growing b.N, and lets every client
// in; then it measures takes of random clients.
func benchmarkTakes(b *testing.B, name string, clients int, newTaker func() func(clientID string)) {
	filled := sync.OnceValue(func() func(string) {
		take := newTaker()
		everyone(clients, take)
		return take
	})
	b.Run(name, func(b *testing.B) {
		take := filled()
		var seeds atomic.Uint64
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			v := newVisitor(clients, seeds.Add(1)<<40)
			for pb.Next() {
				take(v.next())
			}
		})
	})
}

func openForTakes(b *testing.B, s gcra.Settings) *one {
	b.Helper()
	service, err := openOne(context.Background(), oneOptions{
		Settings: s, MaxBuckets: 1 << 30, FlushInterval: time.Second, StoreTimeout: time.Minute,
	}, newFakeStore())
	if err != nil {
		b.Fatal(err)
	}
	return service
}

func plenty() gcra.Settings {
	return gcra.Settings{Capacity: 1 << 40, Refill: gcra.Refill{Amount: 1_000_000, Per: time.Second}}
}

// ours takes from a Service. Its clients never run out, or are out from the second request on.
func ours(b *testing.B, s gcra.Settings) func() func(string) {
	return func() func(string) {
		service := openForTakes(b, s)
		return func(clientID string) { service.Take(clientID) }
	}
}

func BenchmarkTake(b *testing.B) {
	for _, c := range crowds() {
		benchmarkTakes(b, c.name, c.clients, ours(b, plenty()))
	}
	benchmarkTakes(b, "10k refused", 10_000, ours(b, gcra.Settings{Capacity: 1, Refill: gcra.Refill{Amount: 1, Per: time.Hour}}))
}

// BenchmarkTakePeers has what a take is compared with, under the same requests: making the
// client_id, which is in every figure; the least that a take can be; and a well-known limiter.
func BenchmarkTakePeers(b *testing.B) {
	for _, c := range crowds() {
		benchmarkTakes(b, "client_id/"+c.name, c.clients, func() func(string) { return func(string) {} })
		benchmarkTakes(b, "bare/"+c.name, c.clients, bareTaker)
		benchmarkTakes(b, "xtimerate/"+c.name, c.clients, xrateTaker)
	}
}

// BenchmarkLargeTake wants 3 GB.
func BenchmarkLargeTake(b *testing.B) {
	const clients = 10_000_000
	benchmarkTakes(b, "10M", clients, ours(b, plenty()))
	benchmarkTakes(b, "10M refused", clients, ours(b, gcra.Settings{Capacity: 1, Refill: gcra.Refill{Amount: 1, Per: time.Hour}}))
	benchmarkTakes(b, "bare/10M", clients, bareTaker)
}

// bareTaker is one map, one look at the clock and one compare-and-swap: no shards, no
// settings, no decision, no dirty list.
func bareTaker() func(string) {
	buckets, start := xsync.NewMapOf[string, *atomic.Int64](), time.Now()
	return func(clientID string) {
		arrival, ok := buckets.Load(clientID)
		if !ok {
			arrival, _ = buckets.LoadOrStore(string([]byte(clientID)), new(atomic.Int64))
		}
		now := int64(time.Since(start))
		for {
			tat := arrival.Load()
			if arrival.CompareAndSwap(tat, max(tat, now)+1000) {
				return
			}
		}
	}
}

func xrateTaker() func(string) {
	limiters := xsync.NewMapOf[string, *xrate.Limiter]()
	return func(clientID string) {
		l, ok := limiters.Load(clientID)
		if !ok {
			l, _ = limiters.LoadOrStore(string([]byte(clientID)), xrate.NewLimiter(1_000_000, 1<<30))
		}
		l.Allow()
	}
}

// BenchmarkAdmit measures a flood of new clients, and the memory that each takes, including its
// client_id of 16 bytes.
func BenchmarkAdmit(b *testing.B) { benchmarkAdmit(b, 1_000_000) }

// BenchmarkLargeAdmit wants 2 GB.
func BenchmarkLargeAdmit(b *testing.B) { benchmarkAdmit(b, 10_000_000) }

func benchmarkAdmit(b *testing.B, clients int) {
	var held uint64
	for b.Loop() {
		b.StopTimer()
		s := openForTakes(b, plenty())
		before := heapInUse()
		b.StartTimer()
		everyone(clients, func(clientID string) { s.Take(clientID) })
		b.StopTimer()
		held += heapInUse() - before
		runtime.KeepAlive(s)
		b.StartTimer()
	}
	buckets := float64(b.N) * float64(clients)
	b.ReportMetric(float64(held)/buckets, "B/bucket")
	b.ReportMetric(float64(b.Elapsed())/buckets, "ns/bucket")
}

// heapInUse is in bytes.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
