package table

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A backlog has every client_id once, in order, however alike they are.
func TestBacklogIsInOrder(t *testing.T) {
	ending := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', 0}), 1, 12, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("0123456789.")), 1, 15, -1),
		rapid.StringN(1, 20, 60),
	)
	rapid.Check(t, func(r *rapid.T) {
		all := rapid.SampledFrom([]string{"", "198.51.100.", "2001:db8:1:2::"}).Draw(r, "what all begin with")
		id := rapid.Map(ending, func(s string) string { return all + s })
		tab := newTable(one(10, time.Second), 100_000)
		want := rapid.SliceOfNDistinct(id, 0, 200, rapid.ID).Draw(r, "ids")
		for _, id := range want {
			tab.Take(id, 1, 1)
		}
		slices.Sort(want)
		dirty := tab.TakeDirty()
		var got []string
		for dirty.left > 0 {
			for _, b := range dirty.Next(rapid.IntRange(1, 50).Draw(r, "n")) {
				got = append(got, b.ClientID())
			}
		}
		require.Equal(r, len(want), len(got))
		for i := range want {
			require.Equal(r, want[i], got[i])
		}
		require.Zero(r, tab.TakeDirty().left)
	})
}

// A page may have far too many buckets until somebody splits it.
func TestBacklogOfAHugePage(t *testing.T) {
	tab := newTable(one(10, time.Second), 100_000)
	s := &tab.shards[0]
	var want []string
	s.shape.Lock()
	for n := 0; len(want) < 1000; n++ {
		if id := fmt.Sprint("client-", n); tab.shardOf(id) == s {
			want = append(want, id)
			tab.Take(id, 1, 1)
		}
	}
	s.shape.Unlock()
	require.Equal(t, uint32(1), s.pages.Load())
	slices.Sort(want)
	dirty := tab.TakeDirty()
	var got []string
	for _, b := range dirty.Rest() {
		got = append(got, b.ClientID())
	}
	require.Equal(t, want, got)
}

// A bucket that becomes dirty while a flush looks through its page for others is in this flush or
// in the next one.
func TestABucketBecomesDirtyWhileItsPageIsTaken(t *testing.T) {
	const rounds = 5_000 // enough for each step to come in the middle of the other
	tab := newTable(one(600_000, time.Hour), 1000)
	s := tab.shardOf("first")
	others := tab.clientsOf(s, 60)
	clean := func(r run) (ids []string) {
		for len(r.refs) > 0 {
			ids = append(ids, tab.clean([]*Bucket{r.pop()})...)
		}
		return ids
	}
	for _, id := range others {
		tab.Take(id, 1, 1)
	}
	clean(s.takeDirty())
	for n := range rounds {
		late := others[n%50 : n%50+10]
		tab.Take("first", 1, 1)
		var taken run
		together(func() { taken = s.takeDirty() }, func() {
			for _, id := range late {
				tab.Take(id, 1, 1)
			}
		})
		require.Subset(t, append(clean(taken), clean(s.takeDirty())...), late)
	}
}
