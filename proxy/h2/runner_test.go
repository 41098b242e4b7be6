package h2

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// Goroutines wait for a stream as long as there are some to run now and then, and end when there
// are none.
func TestIdleGoroutinesAreTrimmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		r := &runner{run: func(*stream) { <-hold }}
		c := &connection{}
		c.line.most = 1000
		r.join()
		run := func(n int) {
			for range n {
				r.submit(&stream{conn: c})
			}
			synctest.Wait()
			for range n {
				hold <- struct{}{}
			}
			synctest.Wait()
		}
		now := int64(0)
		idle := func(want int) {
			t.Helper()
			now += trimEvery
			r.trim(now)
			synctest.Wait()
			assert.Equal(t, want, r.idles)
			assert.Equal(t, want, workers())
		}
		run(600)
		idle(600) // There were none when trim looked last.
		run(500)
		r.trim(now + trimEvery - 1) // It is too early.
		idle(500)
		run(20)
		run(10)
		idle(20)
		run(20)
		idle(20)
		idle(0)
		run(5)
		idle(5)
		r.leave()
		synctest.Wait()
		assert.Zero(t, workers())
	})
}

// workers is how many goroutines of a test with a fake clock run streams, or wait for one.
func workers() (n int) {
	stacks := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "synctest bubble") && strings.Contains(stack, "h2.(*runner).work(") {
			n++
		}
	}
	return n
}

// BenchmarkBursts has more streams run at a time than once were kept goroutines for. Each uses some
// stack, as a request does.
func BenchmarkBursts(b *testing.B) {
	const streams = 1000
	hold, done := make(chan struct{}), make(chan struct{})
	r := &runner{run: func(*stream) {
		<-hold
		useStack(3)
		done <- struct{}{}
	}}
	c := &connection{}
	c.line.most = streams
	all := make([]stream, streams)
	r.join()
	b.ReportAllocs()
	for b.Loop() {
		for i := range all {
			all[i] = stream{conn: c}
			r.submit(&all[i])
		}
		for range all {
			hold <- struct{}{}
			<-done
		}
	}
	r.leave()
}

//go:noinline
func useStack(deep int) (sum byte) {
	var b [1 << 10]byte
	if deep > 0 {
		b[deep] = useStack(deep - 1)
	}
	return b[deep]
}
