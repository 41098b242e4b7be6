package balancer

import (
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// poolOf publishes a schedule of backends with those weights, as if their probes had succeeded.
func poolOf(strategy Strategy, weights ...int) *Pool {
	p := &Pool{backends: weighted(weights...), overrides: NewOverrides(zerolog.Nop()), tickets: NewTickets(), dice: rand.Uint64}
	p.setStrategy(strategy)
	for _, b := range p.backends {
		b.settings.State = Ready
		b.health.observe(true, 1, 1)
	}
	p.judging.use(EjectionSettings{}, p.backends, time.Time{})
	p.budget.use(nil)
	p.publish()
	return p
}

// pickOnce is pick, for a client and what it tried.
func (p *Pool) pickOnce(c Client, tried tried) (*Backend, error) { return p.pick(&c, &tried) }

// first is a first pick of nobody's, which ends at once; nil if there is none.
func (p *Pool) first() *Backend { return ended(p.pickOnce(Client{}, tried{})) }

// other is the pick after an attempt at a backend.
func (p *Pool) other(than *Backend) *Backend { return ended(p.pickOnce(Client{}, tried{}.with(than))) }

func ended(b *Backend, err error) *Backend {
	if err == nil {
		b.end(0, Result{})
	}
	return b
}

// tally counts n picks by the backend's name.
func tally(n int, pick func() *Backend) map[string]int {
	counts := map[string]int{}
	for range n {
		counts[pick().URL()]++
	}
	return counts
}

func TestRoundRobinIsExact(t *testing.T) {
	assert.Equal(t, map[string]int{"a": 1000, "b": 1000, "c": 1000}, tally(3000, poolOf(RoundRobin, 1, 1, 1).first))
	assert.Equal(t, map[string]int{"a": 1500, "b": 1000, "c": 500}, tally(3000, poolOf(RoundRobin, 3, 2, 1).first))
}

func TestRoundRobinIsExactUnderConcurrency(t *testing.T) {
	p := poolOf(RoundRobin, 1, 1, 1)
	var pickers sync.WaitGroup
	for range 30 {
		pickers.Go(func() {
			for range 100 {
				p.first()
			}
		})
	}
	pickers.Wait()
	for _, s := range p.Status() {
		assert.EqualValues(t, 1000, s.Requests, s.URL)
	}
}

func TestRandomDrawsByWeight(t *testing.T) {
	const n = 20_000
	counts := tally(n, poolOf(Random, 5, 3, 2).first)
	for name, share := range map[string]float64{"a": 0.5, "b": 0.3, "c": 0.2} {
		// Six standard deviations: off by chance once in half a billion runs.
		assert.InDelta(t, n*share, counts[name], 6*math.Sqrt(n*share*(1-share)), name)
	}
}

func TestPickOfNone(t *testing.T) {
	for _, strategy := range strategies {
		p := poolOf(strategy)
		assert.Nil(t, p.first())
		assert.Nil(t, p.other(&Backend{}))
	}
}

func TestRetryWithoutAnother(t *testing.T) {
	for _, strategy := range strategies {
		p := poolOf(strategy, 7)
		assert.Nil(t, p.other(p.backends[0]))
		assert.Equal(t, p.backends[0], p.other(&Backend{}), "than is not available any more")
	}
}

// What one backend drops goes to the others by weight, exactly. First attempts in between don't
// change that, and it doesn't change them.
func TestRetriesKeepRoundRobinExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := genWeights(t)
		p := poolOf(RoundRobin, weights...)
		than := p.backends[rapid.IntRange(0, len(weights)-1).Draw(t, "than")]
		other := p.backends[rapid.IntRange(0, len(weights)-1).Draw(t, "other")]
		total := len(p.picker.Load().cycle)

		picks, retries := map[*Backend]int{}, map[*Backend]int{}
		for range total - than.settings.Weight {
			retries[p.other(than)]++
			if other != than {
				p.other(other)
			}
		}
		for range total {
			p.other(than)
			picks[p.first()]++
		}
		for _, b := range p.backends {
			assert.Equal(t, b.settings.Weight, picks[b], "picks of %s", b.URL())
			if b != than {
				assert.Equal(t, b.settings.Weight, retries[b], "retries at %s", b.URL())
			}
		}
		assert.Zero(t, retries[than])
	})
}

func TestRetriesAtRandomNeverGoToTheSame(t *testing.T) {
	p := poolOf(Random, 8, 1, 1)
	counts := tally(2000, func() *Backend { return p.other(p.backends[0]) })
	assert.Zero(t, counts["a"])
	assert.InDelta(t, 1000, counts["b"], 6*math.Sqrt(500))
}

// Picks see one schedule or the next, whole: a is always there, and b only while it is up.
func TestPickWhileBackendsFlip(t *testing.T) {
	p := poolOf(RoundRobin, 1, 1)
	a, b := p.backends[0], p.backends[1]
	p.probes.Rise, p.probes.Fall = 1, 1
	flipped := make(chan struct{})
	var pickers sync.WaitGroup
	for range 3 {
		pickers.Go(func() {
			for {
				assert.Contains(t, p.backends, p.first())
				assert.Equal(t, a, p.other(b))
				select {
				case <-flipped:
					return
				default:
				}
			}
		})
	}
	for range 200 {
		p.observe(t.Context(), b, finding{err: io.EOF})
		assert.Equal(t, map[string]int{"a": 4}, tally(4, p.first), "down: never again")
		p.observe(t.Context(), b, finding{})
	}
	close(flipped)
	pickers.Wait()
	assert.Equal(t, map[string]int{"a": 2, "b": 2}, tally(4, p.first))
}

func TestPickingAllocatesNothing(t *testing.T) {
	for _, strategy := range strategies {
		p := poolOf(strategy, 5, 1, 1)
		assert.Zero(t, testing.AllocsPerRun(1000, func() {
			attempts := p.Attempts(Client{Holder: 1}, Retry{Most: 1})
			first, _ := attempts.Next()
			first.End(Result{Fault: Broke})
			other, _ := attempts.Next()
			other.End(Result{})
		}), strategy)
	}
}

// What is written on every request must not share a cache line with what is read on every request.
func TestHotCountersHaveCacheLinesOfTheirOwn(t *testing.T) {
	apart := func(before, first, last, size uintptr) {
		t.Helper()
		assert.GreaterOrEqual(t, first-before, uintptr(cacheLines))
		assert.GreaterOrEqual(t, size-last, uintptr(cacheLines))
	}
	var shared turn
	apart(0, unsafe.Offsetof(shared.count), unsafe.Offsetof(shared.count), unsafe.Sizeof(shared))
	var b Backend
	apart(unsafe.Offsetof(b.ticket), unsafe.Offsetof(b.places), unsafe.Offsetof(b.passed), unsafe.Sizeof(b))
}

func BenchmarkRetry(b *testing.B) {
	p := poolOf(RoundRobin, 5, 1, 1)
	b.ReportAllocs()
	for b.Loop() {
		if p.other(p.backends[0]) == nil {
			b.Error("no other is available")
		}
	}
}
