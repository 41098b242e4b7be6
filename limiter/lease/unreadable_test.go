package lease_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
	"gopher-equalizer/limiter/table"
)

// spoiled is a ledger that can't read some clients' buckets.
type spoiled struct {
	*leasetest.Book
	bad   map[string]bool
	mute  bool // the response to the next round is lost
	asked []lease.Round
}

func (s *spoiled) Renew(ctx context.Context, r lease.Round) ([]lease.Reply, int, error) {
	s.asked = append(s.asked, r)
	u := &lease.UnreadableError{Err: errors.New("spoiled")}
	for _, a := range r.Asks {
		if s.bad[a.ClientID] {
			u.Keys = append(u.Keys, a.Key)
		}
	}
	if len(u.Keys) > 0 {
		return nil, 0, u
	}
	replies, alive, err := s.Book.Renew(ctx, r)
	if s.mute {
		s.mute = false
		return nil, 0, lease.ErrInDoubt
	}
	return replies, alive, err
}

// spoiling is a replica of a ledger that can't read some clients' buckets.
type spoiling struct {
	*testing.T
	clock
	*spoiled
	*lease.Replica
	limit *lease.Limit
	log   bytes.Buffer
}

// newSpoiling has a replica hold 4 of 10 tokens of alice and of bob.
func newSpoiling(t *testing.T) *spoiling {
	s := &spoiling{T: t, clock: clock{now: time.Hour}}
	s.spoiled = &spoiled{Book: leasetest.NewBook(s.wall), bad: map[string]bool{}}
	s.Replica = lease.New(lease.Options{
		As: lease.Member{Name: "a"}, Interval: time.Second, TTL: time.Hour, Timeout: time.Second,
		Clock: &s.clock, Logger: zerolog.New(&s.log),
	}, s.spoiled)
	o := lease.LimitOptions{Name: "api", Fingerprint: "ip", Numbers: settings(10, "1/1000h"), MaxBuckets: 10}
	s.limit = s.Limit(o)
	s.Use([]*lease.Limit{s.limit})
	require.NoError(t, s.Join(t.Context()))
	s.limit.Want("alice", 0)
	s.limit.Want("bob", 0)
	s.round()
	return s
}

func (s *spoiling) round() {
	s.Helper()
	require.NoError(s, s.Round(s.Context(), false))
}

// take takes a client's tokens, with rounds whenever there are none, and returns how many there
// were.
func (s *spoiling) take(clientID string, most int) (n int) {
	s.Helper()
	for rounds := 0; n < most && rounds < 10; {
		if s.limit.Held().Take(clientID, 1, 0).Outcome == table.Allowed {
			n++
			continue
		}
		s.limit.Want(clientID, 0)
		s.round()
		rounds++
	}
	return n
}

func TestAnUnreadableBucketCostsItsClientOnly(t *testing.T) {
	s := newSpoiling(t)
	s.bad["alice"] = true
	require.Equal(t, 10, s.take("bob", 20))
	replied, _ := s.limit.JoinWait("alice", 7)
	require.NoError(t, s.Round(t.Context(), true))
	<-replied
	require.True(t, s.limit.IsExhausted("alice"))
	require.LessOrEqual(t, s.take("alice", 20), 4, "more than it holds")
	for range 3 {
		s.round()
	}
	require.Zero(t, s.Stats().Leases)
	require.Zero(t, s.Stats().FailedRounds)

	clear(s.bad)
	require.Equal(t, 6, s.take("alice", 20), "what was held counts as spent")
}

// An attempt before may have been stored, with what the client gave back.
func TestAnUnreadableBucketMayHaveBeenSettled(t *testing.T) {
	s := newSpoiling(t)
	require.Equal(t, 3, s.take("alice", 3))
	s.round()
	require.Equal(t, 1, s.take("bob", 1))
	s.mute, s.asked = true, nil
	require.ErrorIs(t, s.Round(t.Context(), false), lease.ErrInDoubt)
	s.bad["alice"] = true
	s.round()
	require.Len(t, s.asked, 5)
	first := s.asked[0]
	require.Positive(t, first.Asks[0].Back)
	require.Equal(t, first, s.asked[1])
	first.Asks = first.Asks[1:]
	require.Equal(t, first, s.asked[2], "without alice")
	require.Equal(t, first.Seq+1, s.asked[3].Seq)
	lost := s.asked[3].Asks[0].Back
	clear(s.bad)
	require.Equal(t, 9, s.take("bob", 20), "bob has what was granted")
	require.Equal(t, 7-int(lost), s.take("alice", 20), "nothing is given back twice")
}

// Every round meets it.
func TestUnreadableBucketsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpoiling(t)
		lines := func() int { return bytes.Count(s.log.Bytes(), []byte("\n")) }
		s.bad["alice"], s.bad["bob"] = true, true
		s.round()
		require.Equal(t, 1, lines())
		require.Contains(t, s.log.String(), `"error":"spoiled","limit":"api","client_id":"alice","clients":2`)
		time.Sleep(59 * time.Second)
		s.round()
		require.Equal(t, 1, lines())
		time.Sleep(time.Second)
		s.limit.Want("bob", 0)
		s.round()
		require.Equal(t, 2, lines())
		require.Contains(t, s.log.String(), `"client_id":"bob"`)
	})
}
