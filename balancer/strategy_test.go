package balancer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// clientKeys are different clients, one after the other, the same ones in each run.
type clientKeys struct{ n atomic.Uint64 }

func (k *clientKeys) next() Client { return Client{Key: max(1, mix(k.n.Add(1)))} }

// equal are n backends of weight 1.
func equal(n int) []int { return slices.Repeat([]int{1}, n) }

// named gives the backends of a pool as many different names as there are.
func named(p *Pool) *Pool {
	for i, b := range p.backends {
		b.settings.URL = fmt.Sprintf("http://10.0.%d.%d", i/256, i%256)
	}
	p.publish()
	return p
}

// Each strategy spreads requests by weight, from all processors, while some run. They all last for
// as many others: what a strategy that goes by requests in flight keeps is their shares of those.
func TestStrategiesKeepWeights(t *testing.T) {
	const requests, users = 90_000, 8
	for _, strategy := range strategies {
		t.Run(string(strategy), func(t *testing.T) {
			p := poolOf(strategy, 5, 3, 1)
			p.dice = loadedDice(1)
			p.publish()
			last := int64(1440)
			if strategy == Hash {
				last = 1 // With more, it is the bound of loads that counts.
			}
			running := make(chan *Backend, last+users)
			var begun atomic.Int64
			var keys clientKeys
			var all sync.WaitGroup
			for range users {
				all.Go(func() {
					for range requests / users {
						b, err := p.pickOnce(keys.next(), tried{})
						if !assert.NoError(t, err) {
							return
						}
						running <- b
						if begun.Add(1) > last {
							(<-running).end(0, Result{Status: 200, Latency: time.Millisecond})
						}
					}
				})
			}
			all.Wait()
			within := 0.01
			if strategy == Random {
				within = 0.02
			}
			for i, share := range []float64{5. / 9, 3. / 9, 1. / 9} {
				got := float64(p.Status()[i].Requests) / (requests * share)
				t.Logf("%s: %.4f of what it should have", p.backends[i].URL(), got)
				assert.InDelta(t, 1, got, within, p.backends[i].URL())
			}
		})
	}
}

// loadedDice fall alike in each run, whoever throws them.
func loadedDice(seed uint64) dice {
	var mu sync.Mutex
	d := rand.New(rand.NewPCG(seed, 5))
	return func() uint64 {
		mu.Lock()
		defer mu.Unlock()
		return d.Uint64()
	}
}

// A new backend takes only as many clients from the others as it should have, and one that leaves
// takes only its own along: at most 2 in 100 of the others go elsewhere.
func TestHashMovesFewClients(t *testing.T) {
	const clients = 100_000
	p := named(poolOf(Hash, equal(100)...))
	where := func() (all []*Backend) {
		var keys clientKeys
		for range clients {
			all = append(all, ended(p.pickOnce(keys.next(), tried{})))
		}
		return all
	}
	before := where()
	gone := p.backends[42]
	gone.health.up = false
	p.publish()
	after := where()
	moved, others := 0, 0
	for i, b := range before {
		assert.NotSame(t, gone, after[i])
		if b == gone {
			continue
		}
		if others++; after[i] != b {
			moved++
		}
	}
	t.Logf("%d of %d clients of the others moved", moved, others)
	assert.Less(t, float64(moved)/float64(others), 0.02)
	gone.health.up = true
	slices.Reverse(p.backends)
	p.publish()
	assert.Equal(t, before, where(), "it comes back, and the order of the backends makes no difference")
}

// The slots are shared out by weight, exactly.
func TestHashOwnersKeepWeights(t *testing.T) {
	f := func(weights ...int) {
		t.Helper()
		counts, total := make([]int, len(weights)), 0
		for _, owner := range owners(weighted(weights...)) {
			counts[owner]++
		}
		for _, w := range weights {
			total += w
		}
		for i, w := range weights {
			assert.InDelta(t, float64(slots)*float64(w)/float64(total), counts[i], 2, "%v", weights)
		}
	}
	f(1)
	f(5, 3, 1)
	f(100, 1, 99, 1, 50)
	f(equal(200)...)
}

// A client whose backend is overloaded goes to another one, always the same, and comes back.
func TestHashBoundsLoads(t *testing.T) {
	p := named(poolOf(Hash, equal(5)...))
	client := Client{Key: 7}
	var got []*Backend
	for range 40 {
		b, err := p.pickOnce(client, tried{})
		require.NoError(t, err)
		got = append(got, b)
	}
	home := got[0]
	for _, b := range got[:anyWay] {
		assert.Same(t, home, b)
	}
	assert.LessOrEqual(t, home.places.inFlight(), uint64(overMean*40/5+2))
	for _, b := range got {
		b.end(0, Result{})
	}
	assert.Same(t, home, ended(p.pickOnce(client, tried{})))
}

// Retries of a client go to backends that weren't tried, always the same ones.
func TestHashRetriesAreTheSame(t *testing.T) {
	p := named(poolOf(Hash, equal(5)...))
	order := func() (all []*Backend) {
		a := p.Attempts(Client{Key: 99}, Retry{Most: 3})
		for range 4 {
			attempt, err := a.Next()
			require.NoError(t, err)
			attempt.End(Result{Fault: Broke})
			all = append(all, attempt.Backend)
		}
		return all
	}
	first := order()
	assert.Len(t, slices.Compact(slices.Clone(first)), 4)
	for range 10 {
		assert.Equal(t, first, order())
	}
}

// Up to 16 backends the freest gets each request, for its weight; of 1000 almost always a free one.
func TestLeastInFlightIsExact(t *testing.T) {
	p := named(poolOf(LeastInFlight, equal(16)...))
	for i, b := range p.backends {
		for range 1 + (i+3)%16 {
			require.NoError(t, b.begin(0))
		}
	}
	for range 15 * 16 / 2 {
		_, err := p.pickOnce(Client{}, tried{})
		require.NoError(t, err)
	}
	for _, b := range p.backends {
		assert.EqualValues(t, 16, b.places.inFlight())
	}
	b, err := p.pickOnce(Client{}, tried{}.with(p.backends[0]).with(p.backends[1]))
	require.NoError(t, err)
	assert.NotContains(t, p.backends[:2], b)

	p = named(poolOf(LeastInFlight, equal(1000)...))
	for range 1000 {
		_, err := p.pickOnce(Client{}, tried{})
		require.NoError(t, err)
	}
	most := slices.MaxFunc(p.backends, func(a, b *Backend) int { return int(a.places.inFlight()) - int(b.places.inFlight()) })
	assert.LessOrEqual(t, most.places.inFlight(), uint64(4))
}

// Where little is in flight, requests go by weight too, and not all to the largest.
func TestLoadsGoByWeightWhenIdle(t *testing.T) {
	const n = 20_000
	for _, strategy := range []Strategy{LeastInFlight, P2C, PeakEWMA} {
		counts := tally(n, poolOf(strategy, 5, 3, 2).first)
		for name, share := range map[string]float64{"a": 0.5, "b": 0.3, "c": 0.2} {
			assert.InDelta(t, n*share, counts[name], 6*math.Sqrt(n*share*(1-share)), "%s at %s", name, strategy)
		}
	}
}

// Backups get requests while no other backend is available, and none else.
func TestBackups(t *testing.T) {
	for _, strategy := range strategies {
		p := poolOf(strategy, 1, 1, 1)
		a, b, c := p.backends[0], p.backends[1], p.backends[2]
		b.settings.Backup, c.settings.Backup = true, true
		p.publish()
		assert.Equal(t, map[string]int{"a": 9}, tally(9, p.first))
		a.settings.State = Drain
		p.publish()
		assert.Zero(t, tally(9, p.first)["a"])
		assert.NotNil(t, p.other(b))
		a.settings.State = Ready
		p.publish()
		assert.Equal(t, map[string]int{"a": 9}, tally(9, p.first))
		assert.Nil(t, p.other(a), "a backup isn't another one")
	}
}

// A backend that comes back gets a tenth of its share at once, and all of it little by little.
func TestSlowStart(t *testing.T) {
	for _, strategy := range strategies {
		t.Run(string(strategy), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testSlowStart(t, strategy) })
		})
	}
}

func testSlowStart(t *testing.T, strategy Strategy) {
	const n = 30_000
	p := poolOf(strategy, 1, 1, 1)
	p.slowStart = 10 * time.Second
	a := p.backends[0]
	set := func(s State) {
		a.settings.State = s
		p.publish()
	}
	var keys clientKeys
	share := func() float64 {
		before := p.Status()[0].Requests
		held := make([]*Backend, 0, n)
		for range n {
			b, err := p.pickOnce(keys.next(), tried{})
			require.NoError(t, err)
			held = append(held, b)
		}
		for _, b := range held {
			b.end(0, Result{Status: 200, Latency: time.Millisecond})
		}
		return float64(p.Status()[0].Requests-before) / n
	}
	assert.InDelta(t, 1./3, share(), 0.02, "all are new, so none is held back")
	time.Sleep(time.Minute)
	set(Drain)
	set(Ready)
	for _, at := range []struct {
		after time.Duration
		part  float64
	}{{0, 0.1}, {time.Second, 0.1}, {4 * time.Second, 0.5}, {4 * time.Second, 0.9}, {time.Second, 1}} {
		time.Sleep(at.after)
		want := at.part / (2 + at.part)
		if strategy == Hash {
			want = at.part / 3 // It gets a part of its clients, and none of others.
		}
		assert.InDelta(t, want, share(), 0.02, "%v of its share", at.part)
		assert.Equal(t, at.part, p.Status()[0].EffectiveWeight)
		assert.EqualValues(t, 1, p.Status()[1].EffectiveWeight)
	}
}

// A client comes back to its backend, until that is gone; then it stays at another one.
func TestSticky(t *testing.T) {
	p := poolOf(Sticky, 1, 1, 1)
	first := p.first()
	for range 9 {
		assert.Same(t, first, ended(p.pickOnce(Client{Ticket: *first.Ticket()}, tried{})))
	}
	assert.NotSame(t, first, ended(p.pickOnce(Client{Ticket: *first.Ticket()}, tried{}.with(first))))
	assert.Len(t, tally(9, func() *Backend { return ended(p.pickOnce(Client{Ticket: Ticket{1}}, tried{})) }), 3, "made up")
	first.settings.State = Drain
	p.publish()
	for range 9 {
		assert.NotSame(t, first, ended(p.pickOnce(Client{Ticket: *first.Ticket()}, tried{})))
	}
}

func TestTicketsReadWhatTheyWrite(t *testing.T) {
	ticket := newTicket([]byte("key"), "pool/http://a")
	text := ticket.AppendText(nil)
	assert.Len(t, text, 22)
	back, ok := ParseTicket(text)
	assert.True(t, ok)
	assert.Equal(t, ticket, back)
	assert.NotEqual(t, ticket, newTicket([]byte("key2"), "pool/http://a"))
	assert.NotEqual(t, ticket, newTicket([]byte("key"), "other/http://a"))
	for _, bad := range []string{"", "x", string(text) + "A", string(text[:21]) + "=", string(text[:21]) + "\n", string(text[:21]) + "B"} {
		_, ok := ParseTicket([]byte(bad))
		assert.False(t, ok, "%q", bad)
	}
}

func FuzzParseTicket(f *testing.F) {
	f.Add(newTicket(nil, "").AppendText(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		if ticket, ok := ParseTicket(text); ok {
			assert.Equal(t, text, ticket.AppendText(nil))
		}
	})
}
