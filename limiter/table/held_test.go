package table

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// frozen is the clock of a table of what is held.
type frozen struct{}

func (frozen) Monotonic() int64 { return 0 }

// hold has a client hold some of 10 tokens.
func hold(t *testing.T, tokens int64) *Table {
	t.Helper()
	tab := newTable(one(10, time.Second), 100)
	tab.StartEmpty(tab.Defaults().Span)
	_, ok := tab.Want("client-a", 0)
	require.True(t, ok)
	tab.Update("client-a", func(c *Claim, b *Bucket) { c.Add(b, tokens) })
	return tab
}

// held is what the client holds.
func (t *Table) held() (tokens int64) {
	t.Update("client-a", func(c *Claim, b *Bucket) { tokens = c.Tokens(b) })
	return tokens
}

// What is spent and given back between two rounds was never spent. Once a round has told that it
// was, others may have it, so it stays spent.
func TestGiveBackOfWhatIsHeld(t *testing.T) {
	for name, test := range map[string]struct {
		before, meanwhile func(c *Claim, b *Bucket)
		want              int64
	}{
		"nothing":     {want: 10},
		"a round":     {meanwhile: func(c *Claim, b *Bucket) { require.EqualValues(t, 9, c.Tell(b)) }, want: 9},
		"a grant":     {meanwhile: func(c *Claim, b *Bucket) { require.EqualValues(t, 9, c.Tell(b)); c.Add(b, 1) }, want: 10},
		"before":      {before: func(c *Claim, b *Bucket) { require.EqualValues(t, 10, c.Tell(b)) }, want: 10},
		"was drained": {meanwhile: func(c *Claim, b *Bucket) { require.EqualValues(t, 4, c.Drain(b, 5)) }, want: 6},
	} {
		t.Run(name, func(t *testing.T) {
			tab := hold(t, 10)
			if test.before != nil {
				tab.Update("client-a", test.before)
			}
			var seen Sight
			tab.Seek(&seen, "client-a", 1)
			tab.Look(&seen, 0)
			tab.Spend(&seen, 0)
			require.Equal(t, Allowed, seen.Outcome)
			if test.meanwhile != nil {
				tab.Update("client-a", test.meanwhile)
			}
			tab.GiveBack(&seen, frozen{})
			assert.Equal(t, test.want, tab.held())
			assert.Equal(t, Allowed, tab.Take("client-a", 1, 0).Outcome, "the bucket is alive")
		})
	}
}

// What there is beside a bucket stays with it, wherever it moves.
func TestWhatIsLeft(t *testing.T) {
	tab := hold(t, 10)
	left := func() int64 {
		taken := tab.Take("client-a", 1, 0)
		require.Equal(t, Allowed, taken.Outcome)
		n, ok := taken.Left()
		require.True(t, ok)
		return n
	}
	taken := tab.Take("client-a", 1, 0)
	_, ok := taken.Left()
	require.False(t, ok, "nobody has said")
	const most = int64(gcra.MaxSpan / (time.Second / gcra.MaxRate))
	for _, n := range []int64{7, 0, most} {
		tab.Update("client-a", func(_ *Claim, b *Bucket) { b.SetLeft(n) })
		require.Equal(t, n, left())
		require.False(t, tab.Has("client-a", Limited|Stored))
	}
	tab.Update("client-a", func(_ *Claim, b *Bucket) { b.Set(Stored) })
	moveAgain(tab, "client-a", func(int) {})
	require.Equal(t, most, left())
	var seen Sight
	tab.Seek(&seen, "client-a", 1)
	tab.Look(&seen, 0)
	n, ok := seen.Left()
	require.True(t, ok)
	require.Equal(t, most, n)
}
