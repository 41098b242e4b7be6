package lease_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
)

// watched is a ledger that shows what it is asked.
type watched struct {
	*leasetest.Book
	asked func(asks []lease.Ask)
}

func (w *watched) Renew(ctx context.Context, r lease.Round) ([]lease.Reply, int, error) {
	w.asked(r.Asks)
	return w.Book.Renew(ctx, r)
}

// crowd has clients want tokens at a new replica, and returns its limit.
func crowd(t *testing.T, name string, clients int, ledger lease.Ledger) (*lease.Replica, *lease.Limit) {
	r := lease.New(lease.Options{
		As: lease.Member{Name: name}, Interval: time.Second, TTL: 10 * time.Second, Timeout: time.Second,
		Clock: &clock{}, Logger: zerolog.Nop(),
	}, ledger)
	l := r.Limit(lease.LimitOptions{Name: "api", Fingerprint: "ip", Numbers: settings(100, "1/s"), MaxBuckets: 1 << 20})
	r.Use([]*lease.Limit{l})
	require.NoError(t, r.Join(t.Context()))
	for i := range clients {
		l.Want(fmt.Sprintf("client-%06d", i), 0)
	}
	return r, l
}

func TestALongRoundServesThoseWhoWaitInBetween(t *testing.T) {
	var l *lease.Limit
	var first []string // of each transaction
	book := &watched{Book: leasetest.NewBook((&clock{}).wall)}
	book.asked = func(asks []lease.Ask) {
		if len(first) == 0 {
			l.JoinWait("waiting", 1)
		}
		first = append(first, fmt.Sprint(len(asks), " ", asks[0].ClientID))
	}
	var r *lease.Replica
	r, l = crowd(t, "a", lease.MaxAsks+1, book)
	require.NoError(t, r.Round(t.Context(), false))
	require.Len(t, first, 3)
	require.Equal(t, "1 waiting", first[1])
}

func TestReplicasBeginAtDifferentPlaces(t *testing.T) {
	var first []string
	book := &watched{Book: leasetest.NewBook((&clock{}).wall), asked: func([]lease.Ask) {}}
	var replicas []*lease.Replica
	for _, name := range []string{"a", "b"} {
		r, _ := crowd(t, name, 2*lease.MaxAsks, book)
		replicas = append(replicas, r)
		require.NoError(t, r.Round(t.Context(), false))
	}
	for _, r := range replicas {
		require.NoError(t, r.Round(t.Context(), false)) // Both know now that they are two.
		isFirst := true
		book.asked = func(asks []lease.Ask) {
			if isFirst {
				first = append(first, asks[0].ClientID)
				isFirst = false
			}
		}
		require.NoError(t, r.Round(t.Context(), false))
		book.asked = func([]lease.Ask) {}
	}
	require.ElementsMatch(t, []string{"client-000000", fmt.Sprintf("client-%06d", lease.MaxAsks)}, first)
}
