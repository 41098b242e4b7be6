package limiter

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
)

// exacting is a ledger that demands what it is promised: a round has each key once, in their order.
type exacting struct {
	*leasetest.Book
	t *testing.T
}

func (e *exacting) Renew(ctx context.Context, r lease.Round) ([]lease.Reply, int, error) {
	for i := range r.Asks[min(1, len(r.Asks)):] {
		was, is := r.Asks[i].Key, r.Asks[i+1].Key
		assert.True(e.t, was.Namespace < is.Namespace || was.Namespace == is.Namespace && was.ClientID < is.ClientID,
			"%+v comes after %+v", is, was)
	}
	return e.Book.Renew(ctx, r)
}

// returning is a Service whose shared limit leaves and comes back, on the time of a synctest
// bubble. Its rounds come each hour.
type returning struct {
	*Service
	t   *testing.T
	api LimitOptions
}

// limitsReturn runs f in a bubble.
func limitsReturn(t *testing.T, f func(s *returning)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api := sharedLimit("api", settingsOf(10, 1000*time.Hour), sharedBy(lease.Ahead))
		s := serveShared(t, &exacting{leasetest.NewBook(time.Now), t}, "a", api)
		f(&returning{s, t, api})
	})
}

func (s *returning) prepare(limits ...LimitOptions) *Reload {
	s.t.Helper()
	o := *s.options()
	o.Limits = limits
	r, err := s.Prepare(s.t.Context(), o)
	require.NoError(s.t, err)
	return r
}

// take takes tokens of alice while there are any, up to a number, and returns how many there were.
func (s *returning) take(most int) (n int) {
	for n < most && s.Limit("api").Take("alice", 1).Allowed {
		n++
	}
	return n
}

// rounds lets a number of them pass.
func (s *returning) rounds(n int) {
	time.Sleep(time.Duration(n) * time.Hour)
	synctest.Wait()
}

// leave has the limit leave, and come back after some rounds.
func (s *returning) leave(rounds int, back LimitOptions) {
	s.t.Helper()
	s.prepare().Apply()
	s.rounds(rounds)
	s.prepare(back).Apply()
}

// While a limit leaves it still holds tokens. They are there when it comes back, and no others are
// granted for them.
func TestASharedLimitComesBack(t *testing.T) {
	limitsReturn(t, func(s *returning) {
		was := s.Limit("api").lease
		spent := s.take(3)
		for _, rounds := range []int{0, 1, 2} {
			s.leave(rounds, s.api)
			require.Same(t, was, s.Limit("api").lease, "after %d rounds", rounds)
			spent += s.take(1)
			s.rounds(1)
			spent += s.take(1)
		}
		require.Equal(t, 9, spent)
		require.Equal(t, 1, s.take(5))
		require.Zero(t, s.Stats().Shared.FailedRounds)
	})
}

func TestASharedLimitComesBackOnceItHasLeft(t *testing.T) {
	limitsReturn(t, func(s *returning) {
		was := s.Limit("api").lease
		require.Equal(t, 3, s.take(3))
		s.leave(5, s.api)
		require.NotSame(t, was, s.Limit("api").lease)
		require.Equal(t, 7, s.take(10))
		s.rounds(1)
		require.Zero(t, s.take(1))
	})
}

// It may come back with other options, and leave again.
func TestASharedLimitComesBackWithOtherNumbers(t *testing.T) {
	limitsReturn(t, func(s *returning) {
		require.Equal(t, 3, s.take(3))
		larger := s.api
		larger.Settings.Capacity, larger.MaxBuckets, larger.Sharing = 20, 7, sharedBy(lease.Each)
		s.leave(0, larger)
		require.Equal(t, larger.leasing(), *s.Limit("api").lease.Options())
		require.Equal(t, int64(20), s.Limit("api").Take("bob", 20).Settings.Capacity)
		require.Equal(t, 2, s.take(2))
		s.leave(1, s.api)
		require.Equal(t, 5, s.take(10), "what was spent stays spent")
	})
}

// Another fingerprint makes other clients, whatever becomes of the former ones.
func TestASharedLimitComesBackWithAnotherFingerprint(t *testing.T) {
	limitsReturn(t, func(s *returning) {
		was := s.Limit("api").lease
		require.Equal(t, 3, s.take(3))
		header := s.api
		header.Fingerprint = "header:X-Key"
		s.prepare(header).Apply()
		require.NotSame(t, was, s.Limit("api").lease)
		require.Equal(t, 4, s.take(4))
		s.rounds(1)
		s.prepare(s.api).Apply()
		require.Same(t, was, s.Limit("api").lease)
		require.Equal(t, 7, s.take(20))
		s.rounds(1)
		s.prepare(header).Apply()
		require.Equal(t, 6, s.take(20))
	})
}

// A reload that fails leaves a limit as it is, which may have left before the next one.
func TestASharedLimitDoesNotComeBack(t *testing.T) {
	limitsReturn(t, func(s *returning) {
		was := s.Limit("api").lease
		require.Equal(t, 3, s.take(3))
		s.prepare().Apply()
		larger := s.api
		larger.Settings.Capacity = 20
		s.prepare(larger).Discard()
		require.Equal(t, int64(10), was.Options().Settings.Capacity)
		s.rounds(1)
		r := s.prepare(s.api)
		require.Same(t, was, r.Limit("api").lease)
		r.Discard()
		s.rounds(4)
		s.prepare(s.api).Apply()
		require.NotSame(t, was, s.Limit("api").lease)
		require.Equal(t, 7, s.take(10))
	})
}

// A reload may find a limit that is leaving, and take long, so that it has left before it is back.
func TestASharedLimitComesBackLate(t *testing.T) {
	limitsReturn(t, func(s *returning) {
		was := s.Limit("api").lease
		require.Equal(t, 3, s.take(3))
		s.prepare().Apply()
		r := s.prepare(s.api)
		s.rounds(5)
		require.Zero(t, s.Stats().Shared.Leases)
		r.Apply()
		require.Same(t, was, s.Limit("api").lease)
		require.Equal(t, 5, s.take(5))
		s.rounds(1)
		require.Equal(t, 2, s.take(10))
	})
}
