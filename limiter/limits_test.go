package limiter

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// limitsFixture is several limits over one store, on a clock that stands.
type limitsFixture struct {
	*Service
	t     *testing.T
	o     Options
	clock *fakeClock
	store *fakeStore
	log   bytes.Buffer
}

// limitNamed has capacity 10 and refill 1/1m.
func limitNamed(name, fingerprint string) LimitOptions {
	return LimitOptions{Name: name, Fingerprint: fingerprint, Settings: settingsOf(10, time.Minute), MaxBuckets: 1000}
}

func newLimitsFixture(t *testing.T, limits ...LimitOptions) *limitsFixture {
	f := &limitsFixture{t: t, clock: &fakeClock{}, store: newFakeStore()}
	f.o = Options{FlushInterval: time.Second, StoreTimeout: time.Minute, Clock: f.clock, Logger: zerolog.New(&f.log), LimitsKept: 7 * 24 * time.Hour}
	f.start(limits...)
	return f
}

// start begins another run. What the last one has not stored is gone.
func (f *limitsFixture) start(limits ...LimitOptions) {
	f.t.Helper()
	f.o.Limits = limits
	s, err := Open(context.Background(), f.o, f.store)
	require.NoError(f.t, err)
	f.Service = s
}

// restart stops in order, and begins another run.
func (f *limitsFixture) restart(limits ...LimitOptions) {
	f.t.Helper()
	require.NoError(f.t, f.Close(context.Background()))
	f.start(limits...)
}

func (f *limitsFixture) take(limit, clientID string, n int64) bool {
	return f.Limit(limit).Take(clientID, n).Allowed
}

func (f *limitsFixture) tokens(limit, clientID string) int64 {
	return f.Limit(limit).Take(clientID, 0).Remaining
}

// held is what the bucket has, reserved or not.
func (f *limitsFixture) held(limit, clientID string) int64 {
	f.t.Helper()
	snap, err := f.Get(limit, clientID)
	require.NoError(f.t, err)
	return snap.Tokens
}

func (f *limitsFixture) create(limit, clientID string, c Change) Snapshot {
	f.t.Helper()
	w, err := f.Create(context.Background(), limit, clientID, c)
	require.NoError(f.t, err)
	return w.Snapshot
}

// round is one of Run's.
func (f *limitsFixture) round() {
	f.t.Helper()
	require.NoError(f.t, f.flush(context.Background(), f.o.FlushInterval))
	f.sweep(context.Background())
}

func TestLimitsAreApart(t *testing.T) {
	a, b, c := limitNamed("a", "ip"), limitNamed("b", "ip"), limitNamed("c", "header:x")
	b.Settings.Capacity = 3
	f := newLimitsFixture(t, a, b, c)
	require.True(t, f.take("a", "alice", 2))
	require.True(t, f.take("b", "alice", 3))
	require.False(t, f.take("b", "alice", 1))
	f.create("c", "alice", Change{Capacity: ptr(int64(100))})
	require.ErrorIs(t, errorOf(f.Get("d", "alice")), ErrNoLimit)
	require.ErrorContains(t, errorOf(f.Put(context.Background(), "d", "alice", Change{})), `"d"; want one of a, b, c`)

	page, more, err := f.List(Query{Limit: 10})
	require.NoError(t, err)
	require.False(t, more)
	var listed []string
	for _, s := range page {
		listed = append(listed, s.ClientID+" "+s.Limit)
	}
	require.Equal(t, []string{"alice a", "alice b", "alice c"}, listed)
	page, more, err = f.List(Query{Limit: 1, After: page[0].Place()})
	require.NoError(t, err)
	require.True(t, more)
	require.Equal(t, "b", page[0].Limit)
	page, _, err = f.List(Query{Limit: 10, In: "c"})
	require.NoError(t, err)
	require.Len(t, page, 1)
	_, _, err = f.List(Query{Limit: 10, In: "d"})
	require.ErrorIs(t, err, ErrNoLimit)

	stats := f.Stats()
	require.Equal(t, int64(3), stats.Buckets)
	require.Equal(t, LimitStats{"a", Counts{Buckets: 1, MaxBuckets: 1000}, 1}, stats.Limits[0])
	require.Equal(t, LimitStats{"c", Counts{Buckets: 1, Managed: 1, MaxBuckets: 1000}, 0}, stats.Limits[2])

	f.restart(c, a, b) // in another order
	require.Equal(t, int64(8), f.tokens("a", "alice"))
	require.Zero(t, f.tokens("b", "alice"))
	require.Equal(t, int64(100), f.tokens("c", "alice"))
	require.NoError(t, errorOf(f.Delete(context.Background(), "c", "alice")))
	require.Len(t, f.store.all(), 2)
}

// One strict limit among others gives nothing back after a crash; the others do.
func TestStrictIsOfALimit(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	b.Strict = true
	f := newLimitsFixture(t, a, b)
	f.take("a", "row", 1)
	f.take("b", "row", 1)
	require.NoError(t, f.flush(context.Background(), 0))
	f.take("a", "row", 3)
	f.take("b", "row", 3)
	f.start(a, b)
	require.Equal(t, int64(9), f.tokens("a", "row"), "what wasn't stored is given back")
	require.Equal(t, int64(4), f.held("b", "row"), "9 - 5 reserved")
	require.Equal(t, int64(10), f.tokens("a", "no row"))
	require.Zero(t, f.tokens("b", "no row"))

	// Only a crashes while b isn't there. b comes back as its own last run left it.
	f.restart(a)
	f.take("a", "row", 1)
	require.NoError(t, f.flush(context.Background(), 0))
	f.start(a, b)
	require.Equal(t, int64(4), f.held("b", "row"))
	f.restart(a)
	f.start(a, b)
	require.Equal(t, int64(4), f.held("b", "row"), "it has stopped in order")
	// b crashes, and a run without it stops in order: that makes nothing good.
	f.start(a)
	f.restart(a, b)
	require.Less(t, f.held("b", "row"), int64(4))
}

func TestTiers(t *testing.T) {
	tiered := limitNamed("a", "ip")
	tiered.Tiers = map[string]gcra.Settings{"gold": settingsOf(1000, time.Second), "free": settingsOf(5, time.Hour)}
	f := newLimitsFixture(t, tiered)
	ctx := context.Background()
	gold, free := ptr("gold"), ptr("free")
	made := f.create("a", "alice", Change{Tier: gold})
	assert.Equal(t, Snapshot{
		ClientID: "alice", Limit: "a", Settings: tiered.Tiers["gold"], Tier: "gold", Tokens: 1000, Managed: true, LastRefill: dawn,
	}, made)
	assert.Equal(t, "gold", f.store.all()["alice"].Tier)
	require.True(t, f.take("a", "alice", 400))

	for _, c := range []Change{
		{Tier: gold, Capacity: ptr(int64(7))},
		{Tier: gold, Refill: &gcra.Refill{Amount: 1, Per: time.Second}},
		{Tier: ptr("silver")},
	} {
		err := errorOf(f.Patch(ctx, "a", "alice", c))
		require.ErrorIs(t, err, gcra.ErrSettings)
	}
	require.ErrorContains(t, errorOf(f.Patch(ctx, "a", "alice", Change{Tier: ptr("silver")})), `unexpected tier "silver"; want one of free, gold`)
	require.Equal(t, int64(600), f.tokens("a", "alice"))

	w, err := f.Patch(ctx, "a", "alice", Change{Tokens: ptr(int64(50))})
	require.NoError(t, err)
	require.Equal(t, "gold", w.Tier, "tokens are none of a tier's numbers")
	w, err = f.Patch(ctx, "a", "alice", Change{Tier: free})
	require.NoError(t, err)
	require.Equal(t, int64(5), w.Tokens, "cut to the tier's capacity")
	require.Equal(t, "gold", w.Before.Tier)
	w, err = f.Patch(ctx, "a", "alice", Change{Capacity: ptr(int64(9))})
	require.NoError(t, err)
	require.Empty(t, w.Tier, "a number of its own takes it out")
	require.Equal(t, settingsOf(9, time.Hour), w.Settings)

	// An unmanaged bucket keeps what it has spent.
	require.True(t, f.take("a", "bob", 4))
	w, err = f.Put(ctx, "a", "bob", Change{Tier: free})
	require.NoError(t, err)
	require.Equal(t, int64(5), w.Tokens, "6, cut")
	require.True(t, w.Managed)
}

// A bucket in a tier follows its numbers, over restarts, and the limit's while there is no such
// tier.
func TestATierThatChangesOrIsGone(t *testing.T) {
	tiered := limitNamed("a", "ip")
	tiered.Tiers = map[string]gcra.Settings{"gold": settingsOf(100, time.Minute)}
	f := newLimitsFixture(t, tiered)
	f.create("a", "alice", Change{Tier: ptr("gold"), Tokens: ptr(int64(60))})
	f.create("a", "bob", Change{Tier: ptr("gold")})

	tiered.Tiers = map[string]gcra.Settings{"gold": settingsOf(200, time.Hour)}
	f.restart(tiered)
	snap, err := f.Get("a", "alice")
	require.NoError(t, err)
	require.Equal(t, tiered.Tiers["gold"], snap.Settings)
	require.Equal(t, int64(60), snap.Tokens)
	require.NoError(t, f.flush(context.Background(), 0))
	require.Equal(t, tiered.Tiers["gold"], f.store.all()["alice"].Settings)

	f.log.Reset()
	tiered.Tiers = nil
	f.restart(tiered)
	snap, err = f.Get("a", "alice")
	require.NoError(t, err)
	require.Equal(t, tiered.Settings, snap.Settings)
	require.Equal(t, int64(10), snap.Tokens, "cut")
	require.Equal(t, "gold", snap.Tier)
	require.True(t, snap.TierGone)
	require.Equal(t, 1, strings.Count(f.log.String(), "there is no such tier any more"))
	require.Contains(t, f.log.String(), `"tier":"gold","buckets":2`)

	tiered.Tiers = map[string]gcra.Settings{"gold": settingsOf(50, time.Minute)}
	f.restart(tiered)
	snap, err = f.Get("a", "alice")
	require.NoError(t, err)
	require.Equal(t, tiered.Tiers["gold"], snap.Settings)
	require.False(t, snap.TierGone)
}

// A limit that left keeps its unmanaged buckets for LimitsKept, by the stored stamp, and its
// managed ones for ever. They are there again when it returns.
func TestALimitThatLeaves(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	f := newLimitsFixture(t, a, b)
	f.take("b", "spent", 10)
	f.create("b", "managed", Change{Capacity: ptr(int64(50)), Tokens: ptr(int64(0)), Refill: &gcra.Refill{Amount: 1, Per: 30 * 24 * time.Hour}})
	f.restart(a)
	require.Contains(t, f.log.String(), `"limit":"b","message":"there is no such limit any more`)
	f.clock.advance(6 * 24 * time.Hour)
	f.log.Reset()
	f.restart(a)
	require.NotContains(t, f.log.String(), "no such limit", "that is known by then")
	f.round()
	require.Len(t, f.store.all(), 2)
	f.restart(a, b)
	require.Equal(t, int64(10), f.tokens("b", "spent"), "earned back meanwhile")
	require.Zero(t, f.tokens("b", "managed"))
	f.take("b", "spent", 10)

	f.restart(a)
	f.clock.advance(6 * 24 * time.Hour)
	f.round()
	require.Len(t, f.store.all(), 2, "the stamp is a new one")
	f.clock.advance(25 * time.Hour)
	f.round()
	require.Len(t, f.store.all(), 1)
	require.Contains(t, f.store.all(), "2:managed")
	f.round()
	require.Contains(t, f.log.String(), "its unmanaged buckets are deleted")
	f.restart(a, b)
	require.Equal(t, int64(50), f.create("b", "other", Change{Capacity: ptr(int64(50))}).Capacity)
	snap, err := f.Get("b", "managed")
	require.NoError(t, err)
	require.Equal(t, int64(50), snap.Capacity)
}

// Many rows go a batch at a time.
func TestASweepGoesByBatches(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	f := newLimitsFixture(t, a, b)
	f.restart(a)
	for i := range flushBatch + 5 {
		key := Key{2, strings.Repeat("x", 1+i%200) + time.Duration(i).String()}
		f.store.rows[key.name()] = Record{Key: key, Settings: a.Settings, At: dawn}
	}
	f.clock.advance(8 * 24 * time.Hour)
	f.round()
	require.Len(t, f.store.all(), 5)
	f.round()
	require.Empty(t, f.store.all())
}

// Another key, or another way to use it, makes other clients: the limit begins anew, and the former
// buckets are there again when the former key is.
func TestAnotherFingerprintBeginsAnew(t *testing.T) {
	f := newLimitsFixture(t, limitNamed("a", "ip"))
	f.take("a", "198.51.100.4", 7)
	f.restart(limitNamed("a", "ip/48"))
	require.Equal(t, int64(10), f.tokens("a", "198.51.100.4"))
	f.restart(limitNamed("a", "ip"))
	require.Equal(t, int64(3), f.tokens("a", "198.51.100.4"))
}

// hashing is a limit that keeps client_ids as what stands for hashes here.
func hashing(name string) LimitOptions {
	o := limitNamed(name, "header:x sha256")
	o.Plain = "header:x"
	o.Secret = func(clientID string) string {
		if strings.HasPrefix(clientID, "sha256:") || strings.HasPrefix(clientID, "ip:") {
			return clientID
		}
		return "sha256:" + clientID
	}
	return o
}

func (f *limitsFixture) stored() (names []string) {
	for name := range f.store.all() {
		names = append(names, name)
	}
	return names
}

// Once a limit's client_ids are secret, its rows are rewritten under their hashes, in one
// transaction, and the plain ones go. A start that fails before it serves leaves them alone.
func TestClientIDsBecomeSecret(t *testing.T) {
	f := newLimitsFixture(t, limitNamed("other", "ip"), limitNamed("a", "header:x"))
	f.take("a", "alice", 7)
	f.take("a", "ip:198.51.100.4", 2)
	f.take("other", "alice", 1)
	f.create("a", "bob", Change{Capacity: ptr(int64(50)), Tokens: ptr(int64(5))})
	plain := []string{"2:alice", "2:ip:198.51.100.4", "2:bob", "alice"}
	f.restart(limitNamed("other", "ip"), hashing("a"))
	require.ElementsMatch(t, plain, f.stored())
	require.Equal(t, int64(3), f.tokens("a", "sha256:alice"))
	f.restart(limitNamed("other", "ip"), limitNamed("a", "header:x")) // That start has failed.
	require.Equal(t, int64(3), f.tokens("a", "alice"))

	f.restart(limitNamed("other", "ip"), hashing("a"))
	require.Equal(t, int64(3), f.tokens("a", "sha256:alice"))
	require.ErrorIs(t, errorOf(f.Put(context.Background(), "a", "sha256:bob", Change{})), ErrStore, "not yet")
	f.take("a", "sha256:alice", 1)
	var writes []Batch
	f.store.hook(func(b Batch) error { writes = append(writes, b); return nil })
	f.round()
	f.store.hook(nil)
	require.Len(t, writes[0].Puts, 2)
	require.Len(t, writes[0].Deletes, 2)
	hashed := []string{"2:sha256:alice", "2:ip:198.51.100.4", "2:sha256:bob", "alice"}
	require.ElementsMatch(t, hashed, f.stored())
	require.NoError(t, errorOf(f.Put(context.Background(), "a", "sha256:bob", Change{})))
	f.restart(limitNamed("other", "ip"), hashing("a"))
	require.ElementsMatch(t, hashed, f.stored())
	require.Equal(t, int64(2), f.tokens("a", "sha256:alice"))
	require.Equal(t, int64(8), f.tokens("a", "ip:198.51.100.4"))
	require.Equal(t, int64(5), f.tokens("a", "sha256:bob"))
	require.Equal(t, int64(9), f.tokens("other", "alice"))
}

// They were secret, then not, then are again: what was plain is put among what was secret before,
// and is the later one where there are both.
func TestClientIDsBecomeSecretAgain(t *testing.T) {
	f := newLimitsFixture(t, hashing("a"))
	f.take("a", "sha256:alice", 1)
	f.take("a", "sha256:carol", 3)
	f.restart(limitNamed("a", "header:x"))
	require.Equal(t, int64(10), f.tokens("a", "alice"), "no hash tells whose it was")
	f.take("a", "alice", 5)
	f.take("a", "bob", 6)
	f.restart(hashing("a"))
	check := func() {
		t.Helper()
		require.Equal(t, int64(5), f.tokens("a", "sha256:alice"))
		require.Equal(t, int64(4), f.tokens("a", "sha256:bob"))
		require.Equal(t, int64(7), f.tokens("a", "sha256:carol"))
	}
	check()
	f.round()
	check()
	require.ElementsMatch(t, []string{"sha256:alice", "sha256:bob", "sha256:carol"}, f.stored())
	f.restart(hashing("a"))
	check()
}

// Client_ids of a store that knew of one limit only may have become secret at the same time, or
// before.
func TestClientIDsOfAnOlderStoreAreSecret(t *testing.T) {
	for _, before := range []LimitOptions{limitNamed("a", "header:x"), hashing("a")} {
		f := newLimitsFixture(t, before)
		id := func(clientID string) string { return clientID }
		if before.Secret != nil {
			id = before.Secret
		}
		f.take("a", id("alice"), 7)
		f.take("a", "ip:198.51.100.4", 2)
		f.create("a", id("bob"), Change{Capacity: ptr(int64(50)), Tokens: ptr(int64(5))})
		require.NoError(t, f.Close(context.Background()))
		f.store.spaces[1] = Namespace{ID: 1, Stopped: longAgo()}
		f.start(hashing("a"))
		for range 2 {
			require.Equal(t, int64(3), f.tokens("a", "sha256:alice"))
			require.Equal(t, int64(8), f.tokens("a", "ip:198.51.100.4"))
			require.Equal(t, int64(5), f.tokens("a", "sha256:bob"))
			f.round()
			require.ElementsMatch(t, []string{"sha256:alice", "ip:198.51.100.4", "sha256:bob"}, f.stored())
			f.restart(hashing("a"))
		}
	}
}

// A store that comes later than the start may ask which limit gets its buckets. The log has that
// once.
func TestALateStoreAsksForAnHeir(t *testing.T) {
	store, log := newFakeStore(), &strings.Builder{}
	store.spaces[1] = Namespace{ID: 1}
	key := Key{1, "alice"}
	store.rows[key.name()] = Record{Key: key, Settings: limitNamed("a", "ip").Settings, At: dawn}
	s, err := Open(context.Background(), Options{
		Limits: []LimitOptions{limitNamed("a", "ip"), limitNamed("b", "ip")}, LoadLater: true,
		FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.New(log),
	}, store)
	require.NoError(t, err)
	for range 3 {
		require.ErrorIs(t, s.flush(context.Background(), time.Second), ErrMigrateTo)
	}
	require.Equal(t, 1, strings.Count(log.String(), "store.migrate_to"), log)
	require.Equal(t, Namespace{ID: 1}, store.spaces[1])
}

// A store that leaves the rewriting in doubt is asked again.
func TestClientIDsBecomeSecretInDoubt(t *testing.T) {
	for _, applied := range []bool{false, true} {
		f := newLimitsFixture(t, limitNamed("a", "header:x"))
		f.take("a", "alice", 7)
		f.restart(hashing("a"))
		f.store.doubtKeep = applied
		f.store.hook(func(Batch) error { return ErrInDoubt })
		require.ErrorIs(t, f.flush(context.Background(), time.Second), ErrInDoubt)
		f.store.hook(nil)
		f.take("a", "sha256:alice", 1)
		f.round()
		require.Equal(t, []string{"sha256:alice"}, f.stored())
		f.restart(hashing("a"))
		require.Equal(t, int64(2), f.tokens("a", "sha256:alice"), "applied: %v", applied)
	}
}

func TestOptionsOfLimitsAreChecked(t *testing.T) {
	bad := limitNamed("b", "ip")
	bad.Tiers = map[string]gcra.Settings{"gold": settingsOf(0, time.Second)}
	for want, limits := range map[string][]LimitOptions{
		`limit "a": there are two of that name`:   {limitNamed("a", "ip"), limitNamed("a", "ip/48")},
		`limit "b": tier "gold": bad bucket sett`: {limitNamed("a", "ip"), bad},
	} {
		_, err := Open(context.Background(), Options{Limits: limits, StoreTimeout: time.Second}, newFakeStore())
		require.ErrorContains(t, err, want)
	}
}

// A record that this version can't serve stops the start.
func TestAWindowIsRefused(t *testing.T) {
	store := newFakeStore()
	store.spaces[1] = Namespace{ID: 1, LimitName: "a", Fingerprint: "ip"}
	store.rows["alice"] = Record{Key: Key{1, "alice"}, Kind: Window, Settings: settingsOf(1, time.Minute)}
	_, err := Open(context.Background(), Options{Limits: []LimitOptions{limitNamed("a", "ip")}, StoreTimeout: time.Second}, store)
	require.ErrorContains(t, err, `client "alice"`)
	require.ErrorContains(t, err, "upgrade")
}

// A debt is none under a limit that knows of none.
func TestADebtIsForgiven(t *testing.T) {
	store := newFakeStore()
	store.spaces[1] = Namespace{ID: 1, LimitName: "a", Fingerprint: "ip", Stopped: longAgo()}
	store.rows["alice"] = Record{Key: Key{1, "alice"}, Tokens: -5, Settings: settingsOf(10, time.Minute), At: dawn}
	s, err := Open(context.Background(), Options{Limits: []LimitOptions{limitNamed("a", "ip")}, StoreTimeout: time.Second, Clock: &fakeClock{}}, store)
	require.NoError(t, err)
	require.Zero(t, s.Limit("a").Take("alice", 0).Remaining)
}
