package limiter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func ids(page []Snapshot) []string {
	var ids []string
	for _, s := range page {
		ids = append(ids, s.ClientID)
	}
	return ids
}

func TestListShowsWhatExists(t *testing.T) {
	f := newFixture(t)
	page, more, err := f.List(Query{Limit: 10})
	require.NoError(t, err)
	assert.Empty(t, page)
	assert.NotNil(t, page, "an empty listing is an empty array")
	assert.False(t, more)

	f.Take("full-soon")
	f.clock.advance(time.Minute)
	f.Take("b")
	_, err = f.Create(context.Background(), "a", Change{})
	require.NoError(t, err)
	page, more, err = f.List(Query{Limit: 10})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, ids(page))
	assert.False(t, more)
	assert.True(t, page[0].Managed)
	assert.Equal(t, int64(9), page[1].Tokens)
}

func TestListSelects(t *testing.T) {
	f := newFixture(t)
	for _, id := range []string{"a", "ab", "abc", "b", "é"} {
		f.Take(id)
	}
	for _, id := range []string{"ab", "abd"} {
		_, err := f.Put(context.Background(), id, Change{})
		require.NoError(t, err)
	}
	check := func(q Query, wantMore bool, want ...string) {
		t.Helper()
		page, more, err := f.List(q)
		require.NoError(t, err)
		assert.Equal(t, want, ids(page), "%+v", q)
		assert.Equal(t, wantMore, more, "%+v", q)
	}
	check(Query{Limit: 9, Managed: ptr(true)}, false, "ab", "abd")
	check(Query{Limit: 9, Managed: ptr(false)}, false, "a", "abc", "b", "é")
	check(Query{Limit: 9, Prefix: "ab"}, false, "ab", "abc", "abd")
	check(Query{Limit: 9, Prefix: "ab", Managed: ptr(true)}, false, "ab", "abd")
	check(Query{Limit: 1, Prefix: "ab", Managed: ptr(true)}, true, "ab")
	check(Query{Limit: 1, Offset: 1, Prefix: "ab"}, true, "abc")
	check(Query{Limit: 9, After: Place{"ab", "default"}, Prefix: "ab"}, false, "abc", "abd")
	check(Query{Limit: 9, After: Place{"b", "default"}, Prefix: "ab"}, false)
	check(Query{Limit: 9, Prefix: "\xc3"}, false, "é")
	check(Query{Limit: 9, Prefix: "nobody"}, false)
}

func TestListPagesAreTheSortedWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(t)
		want := rapid.SliceOfNDistinct(rapid.StringN(1, 4, 16), 0, 60, rapid.ID).Draw(rt, "clients")
		for _, id := range want {
			f.Take(id)
		}
		slices.Sort(want)
		limit := rapid.IntRange(1, 20).Draw(rt, "limit")

		var walked []string
		for after, more := "", true; more; {
			var page []Snapshot
			var err error
			page, more, err = f.List(Query{After: Place{after, "default"}, Limit: limit})
			require.NoError(rt, err)
			require.LessOrEqual(rt, len(page), limit)
			walked = append(walked, ids(page)...)
			if len(page) > 0 {
				after = page[len(page)-1].ClientID
			}
		}
		require.Equal(rt, append([]string{}, want...), append([]string{}, walked...))

		offset := rapid.IntRange(0, 70).Draw(rt, "offset")
		page, more, err := f.List(Query{Offset: offset, Limit: limit})
		require.NoError(rt, err)
		from, to := min(offset, len(want)), min(offset+limit, len(want))
		require.Equal(rt, append([]string{}, want[from:to]...), append([]string{}, ids(page)...))
		require.Equal(rt, to < len(want), more)
	})
}

// A walk with After finds each bucket that is there throughout exactly once, while others come and
// go.
func TestListWalkAmongChanges(t *testing.T) {
	f := newFixture(t)
	const stable = 200
	for i := range stable {
		f.Take(fmt.Sprintf("stable-%03d", i))
	}
	stop := make(chan struct{})
	var noise sync.WaitGroup
	noise.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			id := fmt.Sprintf("stable-%03d-noise", rand.IntN(stable))
			f.Take(id)
			_, _ = f.Delete(context.Background(), id)
			_, err := f.Patch(context.Background(), fmt.Sprintf("stable-%03d", rand.IntN(stable)), Change{Tokens: ptr(int64(1))})
			assert.NoError(t, err)
		}
	})
	for range 20 {
		seen := map[string]int{}
		for after, more := "", true; more; {
			page, m, err := f.List(Query{After: Place{after, "default"}, Limit: 7})
			require.NoError(t, err)
			for _, s := range page {
				seen[s.ClientID]++
				after = s.ClientID
			}
			more = m && len(page) > 0
		}
		for i := range stable {
			require.Equal(t, 1, seen[fmt.Sprintf("stable-%03d", i)])
		}
	}
	close(stop)
	noise.Wait()
}

func TestListOneAtATime(t *testing.T) {
	f := newFixture(t)
	f.listing.Lock()
	_, _, err := f.List(Query{Limit: 1})
	require.ErrorIs(t, err, ErrBusy)
	f.listing.Unlock()
	_, _, err = f.List(Query{Limit: 1})
	require.NoError(t, err)
}
