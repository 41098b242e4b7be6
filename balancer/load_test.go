package balancer

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The simulation of load has requests come to a pool of modelled backends, over a clock of its own.
// A seed determines all that happens. mutant_test.go breaks the strategies to see that it notices.

// modelled is a backend as it serves. Requests for which it has no worker wait for one.
type modelled struct {
	*Backend
	// takes is how long a request takes, the n-th that it gets, with the Result.
	takes func(dice *rand.Rand, n int) (time.Duration, Result)
	// free is when each worker is free.
	free []time.Time
	got  int
}

// serves is a backend with so many workers, whose responses take a mean time: most half of that,
// some several times as long.
func serves(workers int, mean time.Duration) *modelled {
	return &modelled{free: make([]time.Time, workers), takes: func(dice *rand.Rand, _ int) (time.Duration, Result) {
		return time.Duration(float64(mean) * (0.4 + 0.6*dice.ExpFloat64())), Result{Status: 200}
	}}
}

// fails is a backend that fails each request after a time.
func fails(after time.Duration) *modelled {
	return &modelled{free: make([]time.Time, 1000), takes: func(*rand.Rand, int) (time.Duration, Result) {
		return after, Result{Fault: Broke}
	}}
}

// coldly is a backend whose first request takes much longer.
func (m *modelled) coldly(first time.Duration) *modelled {
	warm := m.takes
	m.takes = func(dice *rand.Rand, n int) (time.Duration, Result) {
		if n == 0 {
			return first, Result{Status: 200}
		}
		return warm(dice, n)
	}
	return m
}

// serve is when a request that comes now is done, and with which result.
func (m *modelled) serve(dice *rand.Rand) (done time.Time, r Result) {
	worker := slices.MinFunc(m.free, time.Time.Compare)
	i := slices.IndexFunc(m.free, worker.Equal)
	begins := worker
	if now := time.Now(); begins.Before(now) {
		begins = now
	}
	took, r := m.takes(dice, m.got)
	m.got++
	m.free[i] = begins.Add(took)
	r.Latency = time.Until(m.free[i])
	return m.free[i], r
}

// exchange is a request at a backend, until it is done.
type exchange struct {
	done time.Time
	Attempt
	Result
}

// exchanges are in the order in which they are done.
type exchanges []exchange

func (e exchanges) Len() int           { return len(e) }
func (e exchanges) Less(i, j int) bool { return e[i].done.Before(e[j].done) }
func (e exchanges) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *exchanges) Push(x any)        { *e = append(*e, x.(exchange)) }
func (e *exchanges) Pop() (x any) {
	last := len(*e) - 1
	x, *e = (*e)[last], (*e)[:last]
	return x
}

// loaded is a pool under load.
type loaded struct {
	*Pool
	t       *testing.T
	dice    *rand.Rand
	models  []*modelled
	running exchanges
	took    []time.Duration
	// clients makes the clients; nil is nobody.
	clients func() Client
}

// load makes a pool of modelled backends with these weights, or else of weight 1 each.
func load(t *testing.T, seed uint64, s Strategy, weights []int, models ...*modelled) *loaded {
	if weights == nil {
		weights = equal(len(models))
	}
	l := &loaded{t: t, dice: rand.New(rand.NewPCG(seed, 18)), models: models, Pool: poolOf(s, weights...)}
	l.Pool.dice = l.dice.Uint64
	named(l.Pool)
	for i, m := range models {
		m.Backend = l.backends[i]
	}
	return l
}

// send has so many requests come, at random moments, and waits until all are done.
func (l *loaded) send(requests int, perSecond float64) *loaded {
	l.t.Helper()
	next := time.Now()
	for range requests {
		next = next.Add(time.Duration(l.dice.ExpFloat64() / perSecond * float64(time.Second)))
		l.pass(next)
		var c Client
		if l.clients != nil {
			c = l.clients()
		}
		attempts := l.Attempts(c, Retry{})
		before := l.inFlight()
		a, err := attempts.Next()
		require.NoError(l.t, err)
		l.check(a.Backend, before)
		m := l.models[slices.Index(l.backends, a.Backend)]
		done, result := m.serve(l.dice)
		heap.Push(&l.running, exchange{done, a, result})
		l.took = append(l.took, result.Latency)
	}
	l.pass(next.Add(24 * time.Hour))
	return l
}

// pass ends what is done until a moment.
func (l *loaded) pass(until time.Time) {
	for len(l.running) > 0 && !l.running[0].done.After(until) {
		e := heap.Pop(&l.running).(exchange)
		time.Sleep(time.Until(e.done))
		e.End(e.Result)
	}
	if len(l.running) > 0 || time.Until(until) < time.Hour {
		time.Sleep(time.Until(until))
	}
}

func (l *loaded) inFlight() (all []uint64) {
	for _, b := range l.backends {
		all = append(all, b.places.inFlight())
	}
	return all
}

// check holds a pick to what the strategy promises.
func (l *loaded) check(b *Backend, before []uint64) {
	l.t.Helper()
	had := before[slices.Index(l.backends, b)]
	sum, all := uint64(0), 0
	for i, n := range before {
		sum += n
		all += l.backends[i].weight()
	}
	switch l.strategy {
	case LeastInFlight:
		for i, n := range before {
			other := l.backends[i]
			load := func(n uint64, b *Backend) float64 { return float64(2*n+min(n, 1)) / float64(b.weight()) }
			require.LessOrEqual(l.t, load(had, b), load(n, other), "%s has less to do than %s", other.URL(), b.URL())
		}
	case Hash:
		share := float64(sum+1) * float64(b.weight()) / float64(all)
		require.LessOrEqual(l.t, float64(had), max(anyWay, 1.15*overMean*share+3), "%s is over the bound", b.URL())
	}
}

// share is the part of the requests that a backend got.
func (l *loaded) share(i int) float64 { return float64(l.models[i].got) / float64(len(l.took)) }

// p99 is the latency that 1 in 100 requests exceeds.
func (l *loaded) p99() time.Duration {
	slices.Sort(l.took)
	return l.took[len(l.took)*99/100]
}

// loadSeeds is how many times each scenario is run, with another seed each time.
const loadSeeds = 2

// eachLoad runs a scenario in a bubble for each strategy and seed.
func eachLoad(t *testing.T, of []Strategy, scenario func(t *testing.T, s Strategy, seed uint64)) {
	t.Helper()
	for _, s := range of {
		t.Run(string(s), func(t *testing.T) {
			for seed := range uint64(loadSeeds) {
				synctest.Test(t, func(t *testing.T) { scenario(t, s, 1+seed) })
			}
		})
	}
}

// notByClient are the strategies that don't go by the client.
var notByClient = []Strategy{RoundRobin, Random, LeastInFlight, P2C, PeakEWMA}

func TestLoad(t *testing.T) {
	t.Run("nobody starves", testNobodyStarves)
	t.Run("weights", testWeightsUnderLoad)
	t.Run("one is slow", testOneIsSlow)
	t.Run("one is slow, beside HAProxy's leastconn", testBesideLeastConn)
	t.Run("what was slow is tried again", testWasSlow)
	t.Run("one finds out", testOneFindsOut)
	t.Run("one fails at once", testOneFails)
	t.Run("one hangs", testOneHangs)
	t.Run("few clients", testFewClients)
}

// Five equal backends get equal parts of 1,500 requests, although the first request to one of them
// takes long. Traefik's strategy by latency gave 5 of them to one (traefik#12306).
func testNobodyStarves(t *testing.T) {
	eachLoad(t, notByClient, func(t *testing.T, s Strategy, seed uint64) {
		var models []*modelled
		for range 4 {
			models = append(models, serves(100, 10*time.Millisecond))
		}
		models = append(models, serves(100, 10*time.Millisecond).coldly(200*time.Millisecond))
		l := load(t, seed, s, nil, models...).send(1500, 100)
		for i := range models {
			assert.Greater(t, l.share(i), 0.1, "%v", l.models[i].got)
		}
	})
}

// Under load each has its part by weight.
func testWeightsUnderLoad(t *testing.T) {
	eachLoad(t, notByClient, func(t *testing.T, s Strategy, seed uint64) {
		l := load(t, seed, s, []int{5, 3, 1},
			serves(50, 100*time.Millisecond), serves(30, 100*time.Millisecond), serves(10, 100*time.Millisecond)).send(4_000, 600)
		within := 0.12
		if s == PeakEWMA {
			within = 0.25 // It goes by what it has seen of each.
		}
		for i, part := range []float64{5. / 9, 3. / 9, 1. / 9} {
			assert.InEpsilon(t, part, l.share(i), within, "backend %d", i)
		}
	})
}

// oneSlow is the load on five backends, one ten times slower than the others.
func oneSlow(t *testing.T, s Strategy, seed uint64) *loaded {
	return load(t, seed, s, nil, serves(16, 10*time.Millisecond), serves(16, 10*time.Millisecond),
		serves(16, 100*time.Millisecond), serves(16, 10*time.Millisecond), serves(16, 10*time.Millisecond)).send(2_500, 400)
}

func testOneIsSlow(t *testing.T) {
	eachLoad(t, []Strategy{LeastInFlight, P2C, PeakEWMA}, func(t *testing.T, s Strategy, seed uint64) {
		turn, chosen := oneSlow(t, RoundRobin, seed), oneSlow(t, s, seed)
		ratio := float64(chosen.p99()) / float64(turn.p99())
		t.Logf("p99 %v, by turn %v: %.2f; the slow one got %.3f", chosen.p99(), turn.p99(), ratio, chosen.share(2))
		most := 1.0
		if s == PeakEWMA {
			most = 0.3
		}
		assert.LessOrEqual(t, ratio, most)
	})
}

// The load of make strategies, without the noise of a machine: what the bars are about. The median
// of several runs is compared, as 10 requests of each are beyond its p99.
func testBesideLeastConn(t *testing.T) {
	const runs = 5
	p99 := func(s Strategy) float64 {
		var each []float64
		for seed := range uint64(runs) {
			synctest.Test(t, func(t *testing.T) {
				usual, slow := 50*time.Millisecond, 500*time.Millisecond
				l := load(t, 1+seed, RoundRobin, nil, serves(16, usual), serves(16, usual), serves(16, slow), serves(16, usual), serves(16, usual))
				if s == "leastconn" {
					f := l.picker.Load().candidates
					l.picker.Store(&picker{&leastConn{candidates: f, since: map[*Backend]int{}, had: map[*Backend]uint64{}}, f})
				} else {
					l.setStrategy(s)
					l.publish()
				}
				l.send(200, 100)
				l.took = nil
				each = append(each, l.send(1000, 100).p99().Seconds())
			})
		}
		slices.Sort(each)
		return each[runs/2]
	}
	turn, leastConn := p99(RoundRobin), p99("leastconn")
	for s, most := range map[Strategy]float64{LeastInFlight: 1, P2C: 1, PeakEWMA: 0.3} {
		own := p99(s)
		t.Logf("%s: p99 %.0f ms; %.2f of round_robin's, %.2f of leastconn's", s, own*1000, own/turn, own/leastConn)
		assert.LessOrEqual(t, own/turn, most, s)
		assert.LessOrEqual(t, own/leastConn, 1.1, s)
	}
}

// leastConn is a model of HAProxy's leastconn: the fewest in flight, and of those that have as few
// the one that has had them for the longest.
type leastConn struct {
	*candidates
	had   map[*Backend]uint64
	since map[*Backend]int
	ticks int
}

func (l *leastConn) choose(Client) (best *Backend) {
	for _, b := range l.backends {
		if n := b.places.inFlight(); n != l.had[b] {
			l.note(b, n)
		}
		if best == nil || l.had[b] < l.had[best] || l.had[b] == l.had[best] && l.since[b] < l.since[best] {
			best = b
		}
	}
	l.note(best, l.had[best]+1)
	return best
}

func (l *leastConn) note(b *Backend, n uint64) {
	l.ticks++
	l.had[b], l.since[b] = n, l.ticks
}

func (l *leastConn) another(Client, tried) *Backend { return nil }

// What was slow for a while gets its part again soon after.
func testWasSlow(t *testing.T) {
	eachLoad(t, []Strategy{LeastInFlight, P2C, PeakEWMA}, func(t *testing.T, s Strategy, seed uint64) {
		l := oneSlow(t, s, seed)
		time.Sleep(idleMemory)
		was := l.models[2]
		was.takes, was.got = serves(1, 10*time.Millisecond).takes, 0
		l.took = nil
		l.send(4_000, 400)
		assert.Greater(t, l.share(2), 0.1)
	})
}

// While one is slow, it is tried again by few requests at a time.
func testOneFindsOut(t *testing.T) {
	eachLoad(t, []Strategy{PeakEWMA}, func(t *testing.T, s Strategy, seed uint64) {
		l := load(t, seed, s, nil, serves(100, 10*time.Millisecond), serves(100, 10*time.Millisecond), serves(100, 3*time.Second)).send(10_000, 200)
		assert.Less(t, l.share(2), 0.005, "%d", l.models[2].got)
		assert.Greater(t, l.models[2].got, 3)
	})
}

// One that fails at once, and so has nothing in flight, doesn't draw what the others would get.
func testOneFails(t *testing.T) {
	eachLoad(t, []Strategy{PeakEWMA}, func(t *testing.T, s Strategy, seed uint64) {
		l := load(t, seed, s, nil, serves(100, 10*time.Millisecond), serves(100, 10*time.Millisecond), fails(200*time.Microsecond)).send(3_000, 200)
		assert.Less(t, l.share(2), 0.02, "%d", l.models[2].got)
	})
}

// One that doesn't respond gets few requests.
func testOneHangs(t *testing.T) {
	eachLoad(t, []Strategy{LeastInFlight, P2C, PeakEWMA}, func(t *testing.T, s Strategy, seed uint64) {
		l := load(t, seed, s, nil, serves(100, 10*time.Millisecond), serves(100, 10*time.Millisecond), fails(5*time.Second)).send(4_000, 200)
		assert.Less(t, l.share(2), 0.03, "%d", l.models[2].got)
	})
}

// Few clients with nearly all of the traffic, whom hash would send to the same backends, overload
// none: see check.
func testFewClients(t *testing.T) {
	eachLoad(t, []Strategy{Hash}, func(t *testing.T, s Strategy, seed uint64) {
		l := load(t, seed, s, []int{3, 1, 1, 2, 3}, serves(100, 100*time.Millisecond), serves(100, 100*time.Millisecond),
			serves(100, 100*time.Millisecond), serves(100, 100*time.Millisecond), serves(100, 100*time.Millisecond))
		few := rand.NewZipf(l.dice, 1.5, 1, 1000)
		l.clients = func() Client { return Client{Key: 1 + mix(few.Uint64()+1)} }
		l.send(6_000, 1500)
		for i := range l.models {
			assert.Greater(t, l.share(i), 0.03)
		}
	})
}
