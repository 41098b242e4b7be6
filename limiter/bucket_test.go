package limiter

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
)

// A bucket keeps its client_id, of any length, and its rate, whatever happens to its marks, its limit and its page.
func TestBucketKeepsItsClientID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, -1, MaxClientID).Draw(t, "client_id")
		buffer := []byte(id + ".")
		defaults := gcra.NewRate(gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: 1e9}})
		r := rapid.SampledFrom([]*gcra.Rate{defaults, gcra.NewRate(gcra.Settings{Capacity: 3, Refill: gcra.Refill{Amount: 1, Per: 1e9}})}).Draw(t, "rate")
		c := newTable(defaults, 100).claim(aliasing(buffer)[:len(id)])
		limit := int64(never)
		want := map[uint64]bool{managed: rapid.Bool().Draw(t, "managed")}
		marks := uint64(0)
		if want[managed] {
			marks = managed
		}
		b := c.create(r, marks, 1)
		for i := range buffer {
			buffer[i] = 'x'
		}
		c.clientID = id
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			mark := rapid.SampledFrom([]uint64{stored, limited}).Draw(t, "mark")
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				b.clear(mark)
				want[mark] = false
			case 1:
				if mark != limited {
					b.set(mark)
					want[mark] = true
				}
			case 2:
				limit = rapid.Int64Range(0, 1<<62).Draw(t, "limit")
				b.setLimit(limit)
				want[limited] = true
			case 3:
				counted := census{rates: c.justDefaults}
				counted.count(id, r)
				c.leaf = c.rebuild(c.shard, c.leaf, counted)
				b = c.live()
			}
		}
		for mark, is := range want {
			require.Equal(t, is, b.has(mark), "mark %d", mark)
		}
		if want[limited] {
			require.Equal(t, limit&^limitCut, b.limit())
		} else {
			require.Equal(t, int64(never), b.limit())
		}
		require.Equal(t, id, b.clientID())
		require.Equal(t, r.Settings, c.rateOf(b).Settings)
		require.Equal(t, int64(1), b.tat())
	})
}

// The string is all that keeps the bucket, and its version.
func TestClientIDKeepsItsBucket(t *testing.T) {
	for _, n := range []int{1, 7, 8, 16, 17, 79, MaxClientID} {
		id := strings.Repeat("é", MaxClientID)[:n]
		c := newTable(gcra.NewRate(gcra.Settings{Capacity: 1, Refill: gcra.Refill{Amount: 1, Per: 1e9}}), 10).claim(id)
		held := c.create(c.defaults, 0, 0).clientID()
		c = claim{}
		runtime.GC()
		assert.Equal(t, id, held)
	}
}

// A client_id is another one's if there is any difference.
func TestBucketIsOneClients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, 40, -1).Draw(t, "client_id")
		c := newTable(gcra.NewRate(gcra.Settings{Capacity: 1, Refill: gcra.Refill{Amount: 1, Per: 1e9}}), 10).claim(id)
		b := c.create(c.defaults, 0, 0)
		other := rapid.OneOf(rapid.StringN(1, 40, -1), rapid.Custom(func(t *rapid.T) string {
			near := []byte(id)
			near[rapid.IntRange(0, len(near)-1).Draw(t, "at")] ^= byte(rapid.IntRange(0, 255).Draw(t, "flip"))
			return string(near)[:rapid.IntRange(len(near)-1, len(near)).Draw(t, "length")]
		})).Draw(t, "other")
		require.True(t, (b.clientID() == id))
		require.Equal(t, id == other, (b.clientID() == other))
	})
}

func TestHashDependsOnEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHasher()
		id := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "client_id")
		was := h.hash(string(id))
		require.Equal(t, was, h.hash(string(id)))
		at := rapid.IntRange(0, len(id)-1).Draw(t, "at")
		id[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		require.NotEqual(t, was, h.hash(string(id)))
		if len(id) > 8 {
			require.NotEqual(t, h.hash(string(id)), h.hash(string(id[:len(id)-1])))
		}
		other := newHasher()
		require.NotEqual(t, h.hash(string(id)), other.hash(string(id)), "no client can foresee it")
	})
}

// Addresses that differ in little spread over shards, pages, places in them and overflow buckets.
func TestHashSpreadsAddresses(t *testing.T) {
	const clients, groups = 1 << 16, 64
	h := newHasher()
	var shards, pages, tags, homes, overflow [groups]int
	id := []byte("10.000.000.0")
	for n := range clients {
		for i, v := len(id)-1, n; i > 2; i-- {
			if id[i] != '.' {
				id[i], v = '0'+byte(v%10), v/10
			}
		}
		hash := h.hash(string(id))
		shards[hash>>58]++ // and what is shifted further
		pages[hash%groups]++
		tags[hash>>50%groups]++
		homes[(&version{words: groups}).home(hash)]++
		overflow[hash>>32%groups]++
	}
	for _, counts := range [][groups]int{shards, pages, tags, homes, overflow} {
		for _, n := range counts {
			// 1,024 each; 6 standard deviations are 192.
			assert.InDelta(t, clients/groups, n, 200)
		}
	}
}
