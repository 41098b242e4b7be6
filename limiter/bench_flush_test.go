package limiter_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store/bolt"
	"gopher-equalizer/store/memory"
)

// discard is a store that costs nothing, so a flush is the limiter's part alone.
type discard struct{}

func (discard) Load(context.Context, uint32, func(limiter.Record) error) error { return nil }
func (discard) Write(context.Context, limiter.Batch) error                     { return nil }
func (discard) Namespaces(context.Context) ([]limiter.Namespace, error)        { return nil, nil }
func (discard) Close() error                                                   { return nil }
func (discard) Get(context.Context, limiter.Key) (limiter.Record, bool, error) {
	return limiter.Record{}, false, nil
}

func openBolt(b *testing.B) limiter.Store {
	b.Helper()
	s, err := bolt.Open(context.Background(), bolt.Options{
		Path: filepath.Join(b.TempDir(), "bench.db"), ConnectTimeout: time.Minute, Timeout: time.Minute,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() }) // the file is about to be removed
	return s
}

// BenchmarkFlush is a flush of so many dirty buckets that all have a row already.
func BenchmarkFlush(b *testing.B) {
	for _, rows := range []int{10_000, 100_000} {
		benchmarkFlush(b, rows)
	}
}

// BenchmarkLargeFlush writes some hundred megabytes to the folder for temporary files.
func BenchmarkLargeFlush(b *testing.B) { benchmarkFlush(b, 1_000_000) }

func benchmarkFlush(b *testing.B, rows int) {
	clients := make([]string, rows)
	for i := range clients {
		clients[i] = fmt.Sprintf("client-%09d", i)
	}
	for _, store := range []struct {
		name string
		open func(*testing.B) limiter.Store
	}{
		{"collect alone", func(*testing.B) limiter.Store { return discard{} }},
		{"memory", func(*testing.B) limiter.Store { return memory.New() }},
		{"bolt", openBolt},
	} {
		b.Run(fmt.Sprintf("%s/%d", store.name, rows), func(b *testing.B) { flushes(b, store.open(b), clients) })
	}
}

// flushes measures the last flush of a Service, since a test can ask for that one.
func flushes(b *testing.B, store limiter.Store, clients []string) {
	dirtied(b, store, clients)()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		flush := dirtied(b, store, clients)
		b.StartTimer()
		flush()
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(len(clients)), "ns/row")
}

// dirtied is a Service in which every client has spent a token, and the flush of that.
func dirtied(b *testing.B, store limiter.Store, clients []string) (flush func()) {
	b.Helper()
	s, err := limiter.Open(context.Background(), limiter.Options{
		Limits: []limiter.LimitOptions{{
			Name:       "default",
			Settings:   gcra.Settings{Capacity: 100_000, Refill: gcra.Refill{Amount: 1, Per: time.Minute}},
			MaxBuckets: 1 << 30,
		}},
		FlushInterval: time.Second, StoreTimeout: time.Minute,
	}, store)
	if err != nil {
		b.Fatal(err)
	}
	for _, clientID := range clients {
		s.Limits()[0].Take(clientID, 1)
	}
	return func() {
		if err := s.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
