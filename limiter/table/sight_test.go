package table

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Fetch guesses by seven bits of the hash. Look finds the client's bucket however wrong the guess
// is, and finds none for an unknown client.
func TestLookAfterAWrongGuess(t *testing.T) {
	const clients = 5000
	tab := newTable(one(100_000, time.Second), clients)
	id := func(n int) string {
		return fmt.Sprint("client-", n, strings.Repeat("x", n%3*8)) // Some are long.
	}
	for n := range clients {
		tab.Take(id(n), int64(n)+1, 0)
	}
	wrong := 0
	for n := range 2 * clients {
		var seen Sight
		tab.Seek(&seen, id(n), 1)
		seen.Fetch()
		guess := seen.bucket
		tab.Look(&seen, 0)
		if guess != nil && guess != seen.bucket {
			wrong++
		}
		if n >= clients {
			require.Nil(t, seen.bucket)
			continue
		}
		require.Equal(t, id(n), seen.bucket.ClientID())
		require.Equal(t, (int64(n)+1)*int64(time.Second), seen.TAT)
	}
	require.Positive(t, wrong)
}

// A guess that has moved or died since is no longer the client's bucket.
func TestLookAfterTheBucketHasGone(t *testing.T) {
	tab := newTable(one(10, time.Second), 100)
	tab.Take("client-a", 4, 0)
	look := func(meanwhile func(c *Claim)) (seen Sight, fetched *Bucket) {
		tab.Seek(&seen, "client-a", 1)
		seen.Fetch()
		fetched = seen.bucket
		c := tab.Claim("client-a")
		meanwhile(&c)
		c.Release()
		tab.Look(&seen, 0)
		return seen, fetched
	}
	seen, fetched := look(func(*Claim) {})
	require.Same(t, fetched, seen.bucket)
	seen, fetched = look(func(c *Claim) { c.entry = c.shard.rebuild(c.entry, c.shard.needsOf(c.entry)) })
	require.NotSame(t, fetched, seen.bucket)
	require.Equal(t, 4*int64(time.Second), seen.TAT)
	seen, _ = look(func(c *Claim) { c.Remove() })
	require.Nil(t, seen.bucket)
	require.Zero(t, seen.TAT)
}
