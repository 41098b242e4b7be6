package netconn

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Both kinds of link tell a side that ended from one that is gone, without taking what it sent.
func TestPresence(t *testing.T) {
	onBothKinds(t, func(t *testing.T, of kind) {
		becomes := func(l link, want presence) {
			t.Helper()
			require.Eventually(t, func() bool { return l.peer() == want }, patience, time.Millisecond)
		}
		ours, theirs := pair(t)
		l := of(ours)
		assert.Equal(t, present, l.peer())
		_, err := theirs.Write([]byte("x"))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !l.quiet() }, patience, time.Millisecond)
		assert.Equal(t, present, l.peer())
		got, err := read(l)
		require.NoError(t, err)
		assert.Equal(t, "x", got)

		require.NoError(t, theirs.CloseWrite())
		becomes(l, ended)
		_, err = l.Write([]byte("x"))
		require.NoError(t, err)
		got, err = read(theirs)
		require.NoError(t, err)
		assert.Equal(t, "x", got, "it still reads")
		require.NoError(t, theirs.SetLinger(0))
		require.NoError(t, theirs.Close())
		becomes(l, broken)

		require.NoError(t, l.Close())
		assert.NotEqual(t, ended, l.peer())
	})
}
