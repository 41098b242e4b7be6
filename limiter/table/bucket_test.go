package table

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
)

// longest is the length of the longest client_id.
const longest = 256

// A bucket keeps its client_id, of any length, and its rate while its marks, its limit and its page
// change.
func TestBucketKeepsItsClientID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, -1, longest).Draw(t, "client_id")
		buffer := []byte(id + ".")
		defaults := one(10, time.Second)
		c := newTable(defaults, 100).Claim(aliasing(buffer)[:len(id)])
		rates := []*gcra.Rate{c.table.Defaults(), gcra.NewRate(one(3, time.Second))}
		r := rapid.SampledFrom(rates).Draw(t, "rate")
		limit := int64(Never)
		want := map[Mark]bool{Managed: rapid.Bool().Draw(t, "managed")}
		marks := Mark(0)
		if want[Managed] {
			marks = Managed
		}
		if marks&Managed == 0 {
			r = rates[0]
		}
		b := c.Replace(r, marks, 0, func(*gcra.Rate, gcra.Holding) int64 { return 1 }).Bucket
		for i := range buffer {
			buffer[i] = 'x'
		}
		c.clientID = id
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			mark := rapid.SampledFrom([]Mark{Stored, Limited}).Draw(t, "mark")
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				b.Clear(mark)
				want[mark] = false
			case 1:
				if mark != Limited {
					b.Set(mark)
					want[mark] = true
				}
			case 2:
				limit = rapid.Int64Range(0, 1<<61).Draw(t, "limit")
				b.setLimit(limit, c.table.numbers.Load())
				want[Limited] = true
			case 3:
				c.entry = c.shard.rebuild(c.entry, c.shard.needsOf(c.entry))
				b = c.Live()
			}
		}
		for mark, is := range want {
			require.Equal(t, is, b.Has(mark), "mark %d", mark)
		}
		if want[Limited] {
			require.Equal(t, limit&^limitCut, limitOf(b.marks.Load()))
		} else {
			require.Equal(t, int64(Never), limitOf(b.marks.Load()))
		}
		require.Equal(t, id, b.ClientID())
		require.Equal(t, r.Settings, c.Observe(b).Rate.Settings)
		require.Equal(t, int64(1), b.TAT())
	})
}

// The string is all that keeps the bucket, and its slab.
func TestClientIDKeepsItsBucket(t *testing.T) {
	for _, n := range []int{1, 7, 8, 16, 17, 79, longest} {
		id := strings.Repeat("é", longest)[:n]
		c := newTable(one(1, time.Second), 10).Claim(id)
		held := c.create(nil, 0, 0, c.table.numbers.Load()).ClientID()
		c = Claim{}
		runtime.GC()
		assert.Equal(t, id, held)
	}
}

// Client_ids with any difference are different clients.
func TestBucketIsOneClients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, 40, -1).Draw(t, "client_id")
		c := newTable(one(1, time.Second), 10).Claim(id)
		b := c.create(nil, 0, 0, c.table.numbers.Load())
		other := rapid.OneOf(rapid.StringN(1, 40, -1), rapid.Custom(func(t *rapid.T) string {
			near := []byte(id)
			near[rapid.IntRange(0, len(near)-1).Draw(t, "at")] ^= byte(rapid.IntRange(0, 255).Draw(t, "flip"))
			return string(near)[:rapid.IntRange(len(near)-1, len(near)).Draw(t, "length")]
		})).Draw(t, "other")
		require.True(t, (b.ClientID() == id))
		require.Equal(t, id == other, (b.ClientID() == other))
	})
}
