package limiter

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
)

// However alike the client_ids are, a backlog gives all of them, once, and in their order.
func TestBacklogIsInOrder(t *testing.T) {
	ending := rapid.OneOf(
		rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', 0}), 1, 12, -1),
		rapid.StringOfN(rapid.RuneFrom([]rune("0123456789.")), 1, 15, -1),
		rapid.StringN(1, 20, 60),
	)
	rapid.Check(t, func(r *rapid.T) {
		all := rapid.SampledFrom([]string{"", "198.51.100.", "2001:db8:1:2::"}).Draw(r, "what all begin with")
		id := rapid.Map(ending, func(s string) string { return all + s })
		table := newTable(gcra.NewRate(gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: 1e9}}), 100_000)
		want := rapid.SliceOfNDistinct(id, 0, 200, rapid.ID).Draw(r, "ids")
		for _, id := range want {
			table.take(id, 1)
		}
		slices.Sort(want)
		dirty := table.takeDirty()
		var got []string
		for dirty.left > 0 {
			for _, b := range dirty.next(rapid.IntRange(1, 50).Draw(r, "n")) {
				got = append(got, b.clientID())
			}
		}
		require.Equal(r, len(want), len(got))
		for i := range want {
			require.Equal(r, want[i], got[i])
		}
		require.Zero(r, table.takeDirty().left)
	})
}

// A page may have far more buckets than it should while nobody gets to split it.
func TestBacklogOfAHugePage(t *testing.T) {
	table := newTable(gcra.NewRate(gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: 1e9}}), 100_000)
	s := &table.shards[0]
	var want []string
	s.shape.Lock()
	for n := 0; len(want) < 1000; n++ {
		if id := fmt.Sprint("client-", n); table.shardOf(id) == s {
			want = append(want, id)
			table.take(id, 1)
		}
	}
	s.shape.Unlock()
	require.Equal(t, uint32(1), s.pages.Load())
	slices.Sort(want)
	dirty := table.takeDirty()
	var got []string
	for _, b := range dirty.next(dirty.left) {
		got = append(got, b.clientID())
	}
	require.Equal(t, want, got)
}
