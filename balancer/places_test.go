package balancer

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// bounded is poolOf, with so many places at each backend and a client's share of them.
func bounded(places int, share float64, weights ...int) *Pool {
	p := poolOf(RoundRobin, weights...)
	for _, b := range p.backends {
		b.places.bound(places, share)
	}
	return p
}

// A backend without a place is passed over, and its part is spread over the others by weight.
func TestPickPassesFullBackendsOver(t *testing.T) {
	p := bounded(1, 1, 1, 1, 1)
	seen := map[string]bool{}
	for range 3 {
		assert.False(t, p.Full())
		b, err := p.pickOnce(Client{}, tried{})
		require.NoError(t, err)
		seen[b.URL()] = true
	}
	assert.Len(t, seen, 3)
	_, err := p.pickOnce(Client{}, tried{})
	assert.Equal(t, ErrBusy, err)
	_, err = p.pickOnce(Client{}, tried{}.with(p.backends[0]))
	assert.Equal(t, ErrBusy, err)
	assert.True(t, p.Healthy(), "busy is not unhealthy")
	assert.True(t, p.Full())
	assert.False(t, poolOf(RoundRobin).Full(), "of no backends none is busy")
	assert.False(t, bounded(0, 1, 1).Full(), "there is no bound")

	p.backends[1].end(0, Result{})
	b, err := p.pickOnce(Client{}, tried{})
	require.NoError(t, err)
	assert.Equal(t, p.backends[1], b)
	for _, b := range p.backends {
		b.end(0, Result{})
	}

	p = bounded(1000, 1, 2, 1, 1)
	for range 1000 {
		require.NoError(t, p.backends[0].begin(0))
	}
	assert.Equal(t, map[string]int{"b": 1000, "c": 1000}, tally(2000, p.first))
}

// The error tells whether nobody is healthy, all are full, or the client holds its share.
func TestPickTellsWhyThereIsNone(t *testing.T) {
	f := func(want error, p *Pool) {
		t.Helper()
		_, err := p.pickOnce(Client{Holder: 7}, tried{})
		assert.Equal(t, want, err)
	}
	f(ErrNoneHealthy, poolOf(RoundRobin))
	p := bounded(2, 0.5, 1, 1)
	a, b := p.backends[0], p.backends[1]
	require.NoError(t, a.begin(7))
	require.NoError(t, b.begin(7))
	f(ErrClientShare, p)
	require.NoError(t, a.begin(8))
	f(ErrClientShare, p)
	require.NoError(t, b.begin(8))
	f(ErrBusy, p)
	f(ErrBusy, p)
}

// However many come at once, no more than there are places have one, and all of them are counted.
func TestPlacesAreNeverExceeded(t *testing.T) {
	const places = 3
	p := bounded(places, 1, 1)
	b := p.backends[0]
	var now, begun, busy atomic.Int64
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 2000 {
				if b.begin(0) != nil {
					busy.Add(1)
					continue
				}
				begun.Add(1)
				assert.LessOrEqual(t, now.Add(1), int64(places))
				now.Add(-1)
				b.end(0, Result{})
			}
		})
	}
	users.Wait()
	s := p.Status()[0]
	assert.Equal(t, begun.Load(), s.Requests)
	assert.Zero(t, s.InFlight)
	assert.EqualValues(t, 16000, begun.Load()+busy.Load())
}

// words is how many words are in use.
func (s *shares) words() (n int) {
	for i := range s.sets {
		for j := range s.sets[i] {
			if s.sets[i][j].Load() != 0 {
				n++
			}
		}
	}
	return n
}

func TestShares(t *testing.T) {
	f := func(places uint64, share float64, want uint64) {
		t.Helper()
		s := newShares(places, share)
		for range want {
			require.True(t, s.take(1))
		}
		assert.False(t, s.take(1))
		assert.True(t, s.take(2))
		assert.True(t, s.take(0), "nobody has no share")
		s.giveBack(1)
		assert.True(t, s.take(1))
		assert.False(t, s.take(1))
	}
	f(1, 0.5, 1)
	f(2, 0.5, 1)
	f(3, 0.5, 1)
	f(4, 0.5, 2)
	f(1024, 0.5, 512)
	f(1024, 0.0001, 1)
	f(1_000_000, 0.01, 10_000)
	assert.Nil(t, newShares(100, 1))
	assert.Nil(t, newShares(100, 0))
	assert.Nil(t, newShares(0, 0.5))
}

// The counts are those of a plain map, whatever the clients' hashes, unless a set is full.
func TestSharesAgreeWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.IntRange(2, 40).Draw(t, "places")
		s := newShares(uint64(places), rapid.Float64Range(0.01, 0.99).Draw(t, "share"))
		clients := rapid.SliceOfNDistinct(rapid.Uint64Min(1), 1, 8, rapid.ID).Draw(t, "clients")
		held := map[uint64]uint64{}
		var all int
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			client := rapid.SampledFrom(clients).Draw(t, "client")
			if rapid.Bool().Draw(t, "take") && all < places {
				if assert.Equal(t, held[client] < s.most.Load(), s.take(client)) && held[client] < s.most.Load() {
					held[client]++
					all++
				}
			} else if held[client] > 0 {
				s.giveBack(client)
				held[client]--
				all--
			}
		}
		for client, n := range held {
			for range n {
				s.giveBack(client)
			}
		}
		assert.Zero(t, s.words(), "nothing is left")
	})
}

// A client that many take for at once never has more than its share, and its set is left as it was.
func TestSharesAreNeverExceeded(t *testing.T) {
	s := newShares(8, 0.5)
	var now [4]atomic.Int64
	var users sync.WaitGroup
	for i := range 8 {
		client := uint64(i%4 + 1) // all of them in one set
		users.Go(func() {
			for range 5000 {
				if !s.take(client) {
					continue
				}
				assert.LessOrEqual(t, now[client-1].Add(1), int64(s.most.Load()))
				now[client-1].Add(-1)
				s.giveBack(client)
			}
		})
	}
	users.Wait()
	assert.Zero(t, s.words(), "nothing is left")
}

// A client that finds no room to be counted is let pass.
func TestSharesWithoutRoomLetPass(t *testing.T) {
	s := newShares(2, 0.5)
	for client := range uint64(len(shareSet{})) {
		require.True(t, s.take(client+1))
	}
	for range 3 {
		assert.True(t, s.take(100))
	}
	for range 3 {
		s.giveBack(100)
	}
	for client := range uint64(len(shareSet{})) {
		assert.False(t, s.take(client+1), "the others are counted as before")
	}
}

func BenchmarkShares(b *testing.B) {
	s := newShares(1024, 0.5)
	var n atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		client := n.Add(1) * 0x9e3779b97f4a7c15
		for pb.Next() {
			s.take(client)
			s.giveBack(client)
		}
	})
}

// However many places there are meanwhile, a client's places are counted once, and it never takes
// more than its share of what there is then.
func TestSharesAreResized(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p places
		all, share := 40, 0.5
		p.bound(all, share)
		var held uint64
		t.Repeat(map[string]func(*rapid.T){
			"bound": func(t *rapid.T) {
				all = rapid.IntRange(1, 300).Draw(t, "places")
				share = rapid.SampledFrom([]float64{0.1, 0.5, 0.9, 1}).Draw(t, "share")
				p.bound(all, share)
			},
			"take": func(t *rapid.T) {
				most := max(1, uint64(float64(all)*share))
				err := p.take(7)
				switch {
				case held >= uint64(all):
					assert.Equal(t, ErrBusy, err)
				case held >= most:
					assert.Equal(t, ErrClientShare, err)
				default:
					require.NoError(t, err)
					held++
				}
			},
			"giveBack": func(*rapid.T) {
				if held > 0 {
					p.giveBack(7)
					held--
				}
			},
			"": func(t *rapid.T) {
				var counted uint64
				size, last := 0, 0
				for s := p.shares.Load(); s != nil; s = s.before {
					set, tag := s.of(7)
					_, _, n := set.find(tag)
					counted += n
					size += len(s.sets)
					last = max(last, len(s.sets))
				}
				assert.Equal(t, held, counted)
				assert.Less(t, size, 2*last+1, "old tables don't pile up")
			},
		})
	})
}

// Without a share that bounds, nothing is counted, and that may change.
func TestSharesThatBegin(t *testing.T) {
	var p places
	p.bound(10, 1)
	require.NoError(t, p.take(7))
	assert.Nil(t, p.shares.Load())
	p.bound(10, 0.2)
	require.NoError(t, p.take(7))
	require.NoError(t, p.take(7))
	assert.Equal(t, ErrClientShare, p.take(7))
	p.bound(0, 0.2)
	for range 5 {
		require.NoError(t, p.take(7), "there is no bound")
	}
	p.bound(10, 0.2)
	assert.Equal(t, ErrClientShare, p.take(7), "all that began since it was counted counts")
	for range 8 {
		p.giveBack(7)
	}
	assert.Zero(t, p.shares.Load().words())
}
