package meter

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// everywhere runs f n times in each of many goroutines.
func everywhere(n int, f func(i int)) (calls int) {
	const goroutines = 16
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range n {
				f(g*n + i)
				if i%64 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	all.Wait()
	return goroutines * n
}

func TestNothingIsLost(t *testing.T) {
	type counts struct {
		one   atomic.Int64
		by    Tally
		times Histogram
	}
	e := NewEach[counts]()
	for range e.All() {
		t.Error("memory before something is counted")
	}
	calls := everywhere(1000, func(i int) {
		mine := e.Mine()
		mine.one.Add(1)
		mine.by.Add(uint32(i%50 + 1))
		mine.times.Observe(time.Duration(i%3) * time.Second)
	})

	var all int64
	by := map[uint32]int64{}
	var times Distribution
	for c := range e.All() {
		all += c.one.Load()
		for key, n := range c.by.All() {
			by[key] += n
		}
		c.times.AddTo(&times)
	}
	assert.EqualValues(t, calls, all)
	assert.Len(t, by, 50)
	for key, n := range by {
		assert.EqualValues(t, calls/50, n, key)
	}
	assert.EqualValues(t, calls, times.Count())
	assert.InDelta(t, calls, times.Sum.Seconds(), 2)
}

// Each duration is in the one bucket that has it.
func TestBuckets(t *testing.T) {
	for i := range Buckets - 2 {
		assert.Less(t, Bound(i), Bound(i+1))
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.OneOf(rapid.Int64Range(0, int64(20*time.Second)), rapid.Int64Range(0, 1<<62)).Draw(t, "d"))
		var h Histogram
		h.Observe(d)
		var got Distribution
		h.AddTo(&got)
		assert.EqualValues(t, 1, got.Count())
		assert.Equal(t, d, got.Sum)
		for i, n := range got.Counts {
			if n == 0 {
				continue
			}
			assert.True(t, i == Buckets-1 || d <= Bound(i), "bucket %d", i)
			assert.True(t, i == 0 || d > Bound(i-1), "bucket %d", i)
		}
	})
	var h Histogram
	h.Observe(Bound(3))
	assert.EqualValues(t, 1, h.counts[3].Load(), "a bound belongs to its bucket")
}

func TestCountingDoesNotAllocate(t *testing.T) {
	e := NewEach[struct {
		by    Tally
		times Histogram
	}]()
	count := func() {
		mine := e.Mine()
		mine.by.Add(7)
		mine.times.Observe(time.Millisecond)
	}
	everywhere(1000, func(int) { count() })
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, count), 0.1) // A processor may come for the first time.
}

func BenchmarkCount(b *testing.B) {
	e := NewEach[struct {
		by    Tally
		times Histogram
	}]()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mine := e.Mine()
			mine.by.Add(7)
			mine.times.Observe(80 * time.Microsecond)
		}
	})
}

// A bare atomic add on one line that all processors write, to compare with.
func BenchmarkContended(b *testing.B) {
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Add(1)
		}
	})
}
