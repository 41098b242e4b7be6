package limiter

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
)

// sharedBy is how a limit is shared, with a wait that no test comes to the end of.
func sharedBy(leasing lease.Leasing) *Sharing {
	return &Sharing{Leasing: leasing, Wait: time.Minute, OnLoss: lease.Refuse}
}

// serveShared serves limits of a replica, whose rounds are under way.
func serveShared(t *testing.T, ledger lease.Ledger, name string, limits ...LimitOptions) *Service {
	replica := lease.New(lease.Options{
		As:       lease.Member{Name: name},
		Interval: time.Hour, TTL: 3 * time.Hour, Timeout: time.Minute, // What is asked for early matters here.
		Clock: SystemClock(), Logger: zerolog.Nop(),
	}, ledger)
	o := Options{Limits: limits, FlushInterval: time.Hour, StoreTimeout: time.Minute, Replica: replica, JoinTimeout: time.Minute}
	s, err := Open(t.Context(), o, newFakeStore())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		require.NoError(t, s.Close(context.Background()))
	})
	return s
}

func sharedLimit(name string, s gcra.Settings, by *Sharing) LimitOptions {
	return LimitOptions{Name: name, Fingerprint: "ip", Settings: s, MaxBuckets: 1000, Sharing: by}
}

func TestTakersWaitForWhatIsShared(t *testing.T) {
	for name, leasing := range map[string]lease.Leasing{"ahead": lease.Ahead, "each": lease.Each} {
		t.Run(name, func(t *testing.T) {
			book := leasetest.NewBook(time.Now)
			limit := sharedLimit("api", settingsOf(10, 1000*time.Hour), sharedBy(leasing))
			a, b := serveShared(t, book, "a", limit), serveShared(t, book, "b", limit)
			taken := 0
			for range 6 {
				for _, s := range []*Service{a, b} {
					if s.Limit("api").Take("alice", 1).Allowed {
						taken++
					}
				}
			}
			if leasing == lease.Each {
				require.Equal(t, 10, taken)
			} else { // Some of it may be held by the other one.
				require.LessOrEqual(t, taken, 10)
				require.GreaterOrEqual(t, taken, 7)
			}
			require.True(t, a.Limit("api").Take("bob", 10).Allowed || leasing == lease.Ahead)
		})
	}
}

// A burst of as much as the capacity passes, though the replica begins with nothing.
func TestABurstPassesAtOneReplica(t *testing.T) {
	book := leasetest.NewBook(time.Now)
	limit := sharedLimit("api", settingsOf(100, 1000*time.Hour), sharedBy(lease.Ahead))
	a := serveShared(t, book, "a", limit)
	serveShared(t, book, "b", limit)
	for i := range 100 {
		require.True(t, a.Limit("api").Take("alice", 1).Allowed, "request %d", i)
	}
	require.False(t, a.Limit("api").Take("alice", 1).Allowed)
}

// What is remaining isn't only what the replica holds.
func TestRemainingOfASharedLimit(t *testing.T) {
	book := leasetest.NewBook(time.Now)
	limit := sharedLimit("api", settingsOf(100, 1000*time.Hour), sharedBy(lease.Ahead))
	a, b := serveShared(t, book, "a", limit), serveShared(t, book, "b", limit)
	for i := range int64(30) {
		require.Equal(t, 99-i, a.Limit("api").Take("alice", 1).Remaining)
	}
	d := b.Limit("api").Take("alice", 1)
	require.True(t, d.Allowed)
	require.LessOrEqual(t, d.Remaining, int64(69))
	require.Greater(t, d.Remaining, int64(20), "the other one holds the rest")

	uses := []Use{{Limit: b.Limit("api"), ClientID: "alice", Cost: 1}, {Limit: b.Limit("api"), ClientID: "bob", Cost: 1}}
	require.True(t, Look(uses))
	require.Equal(t, d.Remaining, uses[0].Decision.Remaining)
	require.True(t, Take(uses))
	require.Equal(t, d.Remaining-1, uses[0].Decision.Remaining)
	require.Equal(t, int64(99), uses[1].Decision.Remaining)
}

// What nobody held at the last round is no comfort to a client that is refused since.
func TestARefusalGoesByWhatIsHeld(t *testing.T) {
	book := leasetest.NewBook(time.Now)
	limit := serveShared(t, book, "a", sharedLimit("api", settingsOf(100, 1000*time.Hour), sharedBy(lease.Ahead))).Limit("api")
	require.Equal(t, int64(99), limit.Take("alice", 1).Remaining)
	taken := limit.lease.Held().Take("alice", 90, 0)
	d := decisionOfHeld(&taken, 90)
	require.False(t, d.Allowed)
	require.Less(t, d.Remaining, int64(90))
	require.Positive(t, d.RetryAfter)
}

// How near its limit a client is depends on what nobody holds, too.
func TestNearASharedLimit(t *testing.T) {
	book := leasetest.NewBook(time.Now)
	a := serveShared(t, book, "a", sharedLimit("api", settingsOf(100, 1000*time.Hour), sharedBy(lease.Ahead)))
	limit := a.Limit("api")
	for i := range 80 {
		d := limit.Take("alice", 1)
		require.True(t, d.Allowed)
		require.False(t, d.Near, "request %d", i)
		require.Zero(t, d.RetryAfter, "request %d", i)
	}
	for i := range 20 {
		d := limit.Take("alice", 1)
		require.True(t, d.Allowed)
		require.True(t, d.Near, "request %d", 80+i)
	}
	require.False(t, limit.Take("alice", 1).Allowed)
	uses := []Use{{Limit: limit, ClientID: "alice", Cost: 0}, {Limit: limit, ClientID: "bob", Cost: 0}}
	require.True(t, Take(uses))
	require.True(t, uses[0].Decision.Near)
	require.False(t, uses[1].Decision.Near, "nobody has asked")
}

func TestSeveralTakersShareAReply(t *testing.T) {
	book := leasetest.NewBook(time.Now)
	a := serveShared(t, book, "a", sharedLimit("api", settingsOf(50, 1000*time.Hour), sharedBy(lease.Ahead)))
	var takers sync.WaitGroup
	allowed := make(chan bool, 60)
	for range 60 {
		takers.Go(func() { allowed <- a.Limit("api").Take("alice", 1).Allowed })
	}
	takers.Wait()
	close(allowed)
	n := 0
	for ok := range allowed {
		if ok {
			n++
		}
	}
	require.Equal(t, 50, n)
}

// Under a shared limit and one of this process's own, a request takes from both or from none.
func TestSharedAndOwnLimitsTogether(t *testing.T) {
	book := leasetest.NewBook(time.Now)
	a := serveShared(t, book, "a",
		LimitOptions{Name: "own", Fingerprint: "ip", Settings: settingsOf(3, 1000*time.Hour), MaxBuckets: 1000},
		sharedLimit("shared", settingsOf(10, 1000*time.Hour), sharedBy(lease.Ahead)))
	uses := []Use{
		{Limit: a.Limit("own"), ClientID: "alice", Cost: 1},
		{Limit: a.Limit("shared"), ClientID: "alice", Cost: 1},
	}
	for range 3 {
		require.True(t, Take(uses))
	}
	require.False(t, Take(uses))
	require.False(t, uses[0].Decision.Allowed)
	require.True(t, uses[1].Decision.Allowed)
	seen, err := a.Get("shared", "alice")
	require.NoError(t, err)
	held := a.Limit("shared").buckets()
	require.Positive(t, held.Stats().Buckets)
	require.LessOrEqual(t, seen.Tokens, int64(10))
}

func TestOperatorsChangeWhatIsShared(t *testing.T) {
	book := leasetest.NewBook(time.Now)
	limit := sharedLimit("api", settingsOf(10, 1000*time.Hour), sharedBy(lease.Each))
	limit.Tiers = map[string]gcra.Settings{"gold": settingsOf(50, 1000*time.Hour)}
	a, b := serveShared(t, book, "a", limit), serveShared(t, book, "b", limit)
	ctx := t.Context()

	gold := "gold"
	written, err := a.Put(ctx, "api", "alice", Change{Tier: &gold})
	require.NoError(t, err)
	require.Equal(t, int64(50), written.Tokens)
	require.Nil(t, written.Before)
	require.True(t, b.Limit("api").Take("alice", 20).Allowed)
	require.Equal(t, int64(50), b.Limit("api").Take("alice", 0).Settings.Capacity)

	seen, err := a.Get("api", "alice")
	require.NoError(t, err)
	require.Equal(t, "gold", seen.Tier)
	require.True(t, seen.Managed)

	zero := int64(0)
	_, err = a.Patch(ctx, "api", "alice", Change{Tokens: &zero})
	require.NoError(t, err)
	require.False(t, b.Limit("api").Take("alice", 1).Allowed)
	_, err = a.Create(ctx, "api", "alice", Change{})
	require.ErrorIs(t, err, ErrManaged)
	_, err = a.Patch(ctx, "api", "nobody", Change{Tokens: &zero})
	require.ErrorIs(t, err, ErrNotFound)
	_, err = a.Put(ctx, "api", "alice", Change{}, func(*Snapshot) error { return errNotManaged })
	require.ErrorIs(t, err, errNotManaged)
	require.NotErrorIs(t, err, ErrStore)

	for i := range 3 {
		_, err = b.Put(ctx, "api", fmt.Sprint("client ", i), Change{})
		require.NoError(t, err)
	}
	page, more, err := a.List(Query{Limit: 2})
	require.NoError(t, err)
	require.True(t, more)
	require.Len(t, page, 2)
	require.Equal(t, "alice", page[0].ClientID)
	n, err := a.DeleteManaged(ctx, "api")
	require.NoError(t, err)
	require.Equal(t, 4, n)
	_, err = b.Delete(ctx, "api", "alice")
	require.ErrorIs(t, err, ErrNotFound)
	require.True(t, b.Limit("api").Take("alice", 1).Allowed, "it starts over")
}

func TestAReloadChangesWhatIsShared(t *testing.T) {
	book := leasetest.NewBook(time.Now)
	a := serveShared(t, book, "a", sharedLimit("api", settingsOf(2, 1000*time.Hour), sharedBy(lease.Each)))
	require.True(t, a.Limit("api").Take("alice", 2).Allowed)
	require.False(t, a.Limit("api").Take("alice", 1).Allowed)
	o := *a.options()
	o.Limits = []LimitOptions{
		sharedLimit("api", settingsOf(4, 1000*time.Hour), sharedBy(lease.Each)),
		sharedLimit("login", settingsOf(1, 1000*time.Hour), sharedBy(lease.Each)),
	}
	r, err := a.Prepare(t.Context(), o)
	require.NoError(t, err)
	r.Apply()
	require.False(t, a.Limit("api").Take("alice", 1).Allowed, "what was spent stays spent")
	require.True(t, a.Limit("login").Take("alice", 1).Allowed)
	require.Equal(t, int64(4), a.Limit("api").Take("bob", 4).Settings.Capacity)
}

// silent is a ledger that doesn't reply to rounds.
type silent struct {
	*leasetest.Book
	ends chan struct{}
}

func (s *silent) Renew(ctx context.Context, _ lease.Round) ([]lease.Reply, int, error) {
	select {
	case <-s.ends:
	case <-ctx.Done():
	}
	return nil, 0, lease.ErrInDoubt
}

// serveSilent serves limits of a replica whose ledger doesn't reply to rounds.
func serveSilent(t *testing.T, limits ...LimitOptions) *Service {
	ledger := &silent{leasetest.NewBook(time.Now), make(chan struct{})}
	replica := lease.New(lease.Options{
		As: lease.Member{Name: "a"}, Interval: time.Hour, TTL: 3 * time.Hour, Timeout: time.Minute,
		Clock: SystemClock(), Logger: zerolog.Nop(),
	}, ledger)
	o := Options{Limits: limits, FlushInterval: time.Hour, StoreTimeout: time.Minute, Replica: replica}
	s, err := Open(t.Context(), o, newFakeStore())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		close(ledger.ends)
		running.Wait()
	})
	return s
}

// lost is how a limit is shared whose takers don't wait for long.
func lost(by lease.OnLoss) *Sharing { return &Sharing{Wait: time.Millisecond, OnLoss: by} }

// While the ledger doesn't reply, requests are allowed where the limit says so.
func TestASilentLedgerAllows(t *testing.T) {
	s := serveSilent(t, sharedLimit("api", settingsOf(1, time.Hour), lost(lease.Allow)))
	for range 3 {
		require.True(t, s.Limit("api").Take("alice", 1).Allowed)
	}
	_, err := s.Put(t.Context(), "api", "bob", Change{})
	require.NoError(t, err)
}

// A request under several limits whose ledger is away is decided by all of their on_store_loss.
func TestASilentLedgerOfSeveralLimits(t *testing.T) {
	s := serveSilent(t,
		sharedLimit("api", settingsOf(1, time.Hour), lost(lease.Allow)),
		sharedLimit("login", settingsOf(1, time.Hour), lost(lease.Allow)),
		sharedLimit("search", settingsOf(1, time.Hour), lost(lease.Refuse)))
	uses := []Use{
		{Limit: s.Limit("api"), ClientID: "alice", Cost: 1},
		{Limit: s.Limit("login"), ClientID: "alice", Cost: 1},
	}
	for range 3 {
		require.True(t, Take(uses))
	}
	uses = append(uses, Use{Limit: s.Limit("search"), ClientID: "alice", Cost: 1})
	require.False(t, Take(uses))
	require.False(t, uses[2].Decision.Allowed)
	require.True(t, Take(uses[:2]))
}

func TestAWriteOfANewSharedBucketSaysWhen(t *testing.T) {
	a := serveShared(t, leasetest.NewBook(time.Now), "a", sharedLimit("api", settingsOf(1, time.Hour), sharedBy(lease.Each)))
	written, err := a.Put(t.Context(), "api", "bob", Change{})
	require.NoError(t, err)
	require.False(t, written.LastRefill.IsZero())
}

// A replica that is started again after a crash waits until the others have given up the one that
// had its name.
func TestAReplicaWaitsForItsName(t *testing.T) {
	var passed atomic.Int64
	book := leasetest.NewBook(func() time.Time { return time.Unix(1_700_000_000, passed.Load()) })
	_, err := book.Join(t.Context(), lease.Member{Name: "a", PID: 7}, "a life", time.Second)
	require.NoError(t, err)
	waits := make(chan struct{})
	log := zerolog.New(writerFunc(func(line []byte) (int, error) {
		if bytes.Contains(line, []byte("waiting to join the replicas")) {
			close(waits)
		}
		return len(line), nil
	}))
	replica := lease.New(lease.Options{
		As: lease.Member{Name: "a", PID: 8}, Interval: time.Hour, TTL: 3 * time.Hour, Timeout: time.Minute,
		Clock: SystemClock(), Logger: zerolog.Nop(),
	}, book)
	o := Options{
		Limits:        []LimitOptions{sharedLimit("api", settingsOf(1, time.Hour), sharedBy(lease.Each))},
		FlushInterval: time.Hour, StoreTimeout: time.Minute, Replica: replica, JoinTimeout: time.Minute, Logger: log,
	}
	opened := make(chan error)
	go func() {
		_, err := Open(context.Background(), o, newFakeStore())
		opened <- err
	}()
	<-waits
	passed.Store(int64(2 * time.Second))
	require.NoError(t, <-opened)

	again := o
	again.Logger = zerolog.Nop()
	again.JoinTimeout = time.Second
	again.Replica = lease.New(lease.Options{
		As: lease.Member{Name: "a", PID: 9}, Interval: time.Hour, TTL: time.Hour, Timeout: time.Minute,
		Clock: SystemClock(), Logger: zerolog.Nop(),
	}, book)
	_, err = Open(t.Context(), again, newFakeStore())
	require.ErrorIs(t, err, lease.ErrNameTaken)
}

// writerFunc is a log that calls a function with each line.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
