package limiter

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
	"gopher-equalizer/limiter/table"
)

// BenchmarkTakeShared takes what a replica holds, beside takes of this process's own buckets, one
// right after the other.
func BenchmarkTakeShared(b *testing.B) {
	for _, c := range crowds() {
		b.Run(c.name, func(b *testing.B) {
			own, shared := ours(b, plenty())(), holding(b, c.clients)
			everyone(c.clients, own)
			compare(b, c.clients, own, func(clientID string) {
				if !shared.Take(clientID, 1).Allowed {
					b.Error("the replica holds too little")
				}
			})
		})
	}
}

// compare measures two takers in turn, a thousand takes each.
func compare(b *testing.B, clients int, base, other func(clientID string)) {
	const batch = 1000
	v := newVisitor(clients, 1)
	run := func(take func(string)) time.Duration {
		start := time.Now()
		for range batch {
			take(v.next())
		}
		return time.Since(start)
	}
	var sum, sumOther time.Duration
	for b.Loop() {
		sum += run(base)
		sumOther += run(other)
	}
	b.ReportMetric(float64(sum)/float64(b.N)/batch, "ns/own")
	b.ReportMetric(float64(sumOther)/float64(b.N)/batch, "ns/shared")
	b.ReportMetric(float64(sumOther)/float64(sum), "x-own")
}

// holding is a limit of a replica that holds all that there is for each client.
func holding(b *testing.B, clients int) *Limit {
	replica := lease.New(lease.Options{
		As: lease.Member{Name: "a"}, Interval: time.Hour, TTL: 3 * time.Hour, Timeout: time.Minute,
		Clock: SystemClock(), Logger: zerolog.Nop(),
	}, leasetest.NewBook(time.Now))
	limit := sharedLimit("api", plenty(), sharedBy(lease.Ahead))
	limit.MaxBuckets = 1 << 30
	o := Options{Limits: []LimitOptions{limit}, FlushInterval: time.Hour, StoreTimeout: time.Minute, Replica: replica}
	s, err := Open(b.Context(), o, newFakeStore())
	if err != nil {
		b.Fatal(err)
	}
	l := s.Limit("api")
	everyone(clients, func(clientID string) {
		c := l.buckets().Claim(strings.Clone(clientID))
		c.Replace(nil, table.Mark(0), 0, func(*gcra.Rate, gcra.Holding) int64 { return 0 })
		c.Release()
	})
	return l
}
