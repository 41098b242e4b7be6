package lease_test

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
)

// mute is a ledger whose first response to a Join is lost.
type mute struct {
	*leasetest.Book
	heard bool
}

func (m *mute) Join(ctx context.Context, as lease.Member, life string, ttl time.Duration) (int64, error) {
	member, err := m.Book.Join(ctx, as, life, ttl)
	if err == nil && !m.heard {
		m.heard = true
		return 0, lease.ErrInDoubt
	}
	return member, err
}

func TestAJoinWhoseResponseWasLostIsAskedAgain(t *testing.T) {
	c := clock{now: time.Second}
	book := &mute{Book: leasetest.NewBook(c.wall)}
	r := lease.New(lease.Options{
		As: lease.Member{Name: "a"}, Interval: time.Second, TTL: 10 * time.Second, Timeout: time.Second,
		Clock: &c, Logger: zerolog.Nop(),
	}, book)
	require.ErrorIs(t, r.Join(t.Context()), lease.ErrInDoubt)
	require.True(t, r.IsCutOff())
	require.NoError(t, r.Round(t.Context(), false))
	require.False(t, r.IsCutOff())
	require.Zero(t, r.Stats().Expulsions)
	require.Equal(t, 1, r.Stats().Alive)
}
