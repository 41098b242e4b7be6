package limiter

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/gcra/gcratest"
)

// A row that is older than a reload is credited at its own settings until then, and at the other
// ones from then on, however the last run ended.
func TestRowsOfBeforeAReload(t *testing.T) {
	for name, ends := range map[string]func(f *limitsFixture, limits ...LimitOptions){
		"crash": (*limitsFixture).start, "stop": (*limitsFixture).restart,
	} {
		t.Run(name, func(t *testing.T) {
			a := limitNamed("a", "ip")
			a.Settings = settingsOf(100, time.Minute)
			a.Tiers = map[string]gcra.Settings{"gold": settingsOf(1000, time.Minute)}
			f := newLimitsFixture(t, a)
			f.create("a", "gold", Change{Tier: ptr("gold"), Tokens: ptr(int64(0))})
			f.create("a", "own", Change{Tokens: ptr(int64(0))})
			f.take("a", "alice", 100)
			f.round()
			f.clock.advance(10 * time.Minute)
			a.Settings = settingsOf(100, time.Hour)
			a.Tiers = map[string]gcra.Settings{"gold": settingsOf(500, time.Second)}
			f.reload(a)
			f.round()
			f.clock.advance(2 * time.Hour)
			ends(f, a)
			require.Equal(t, int64(12), f.tokens("a", "alice"))
			require.Equal(t, int64(100), f.tokens("a", "own"))
			require.Equal(t, int64(500), f.tokens("a", "gold"))
			f.round()
			ends(f, a)
			require.Equal(t, int64(12), f.tokens("a", "alice"))
		})
	}
}

// A round that began before a reload, and ends when all buckets would be full by the new numbers,
// has not written the rows of the tier that was changed. So the note of the change stays.
func TestAReloadWithinARoundStaysNoted(t *testing.T) {
	a := limitNamed("a", "ip")
	a.Tiers = map[string]gcra.Settings{"gold": settingsOf(10, time.Minute)}
	f := newLimitsFixture(t, a)
	f.create("a", "client", Change{Tier: ptr("gold"), Tokens: ptr(int64(0))})
	f.round()
	f.take("a", "alice", 1)
	a.Tiers = map[string]gcra.Settings{"gold": settingsOf(100, time.Second)}
	f.store.hook(func(Batch) error {
		f.store.hook(nil)
		f.reload(a)
		f.clock.advance(24 * time.Hour)
		return nil
	})
	f.round()
	f.create("a", "other", Change{}) // which stores how the namespace is noted by now
	f.start(a)
	require.Equal(t, int64(100), f.tokens("a", "client"))
}

// A strict limit isn't changed before that is noted in the store.
func TestReloadOfAStrictLimit(t *testing.T) {
	a := limitNamed("a", "ip")
	a.Strict, a.Settings = true, settingsOf(100, time.Minute)
	f := newLimitsFixture(t, a)
	f.take("a", "alice", 60)
	f.round()
	slow := a
	slow.Settings = settingsOf(100, time.Hour)
	f.store.away = errors.New("away")
	f.o.Limits = []LimitOptions{slow}
	_, err := f.Prepare(context.Background(), f.o)
	require.ErrorContains(t, err, `limit "a": strict: its numbers`)
	require.ErrorContains(t, err, "away")
	f.store.away = nil
	f.prepare(slow).Discard()
	f.round()
	require.Empty(t, f.store.spaces[1].Renumbered)

	f.reload(slow)
	require.Len(t, f.store.spaces[1].Renumbered, 1)
	require.True(t, f.store.spaces[1].Renumbered[0].Unknown)
	f.clock.advance(2 * time.Hour)
	before := f.held("a", "alice")
	f.start(slow)
	require.LessOrEqual(t, f.held("a", "alice"), before, "nothing is regained, though the reload's own round never came")
	f.round()
	require.False(t, f.store.spaces[1].Renumbered[0].isPlanned())

	fast := a
	fast.Settings = settingsOf(1000, time.Second)
	f.reload(fast)
	for range 30 {
		f.take("a", "alice", 5)
		f.clock.advance(time.Second)
	}
	before = f.held("a", "alice")
	f.start(fast)
	require.LessOrEqual(t, f.held("a", "alice"), before)
}

// A limit becomes strict, and is no longer.
func TestReloadOfStrict(t *testing.T) {
	a := limitNamed("a", "ip")
	f := newLimitsFixture(t, a)
	f.take("a", "alice", 2)
	f.take("a", "bob", 2)
	f.round()
	f.take("a", "bob", 2)
	strict := a
	strict.Strict = true
	f.store.away = errors.New("away")
	f.o.Limits = []LimitOptions{strict}
	_, err := f.Prepare(context.Background(), f.o)
	require.ErrorContains(t, err, `limit "a": strict`)
	f.store.away = nil
	f.reload(strict)
	require.True(t, f.take("a", "alice", 3))
	f.start(strict)
	require.Zero(t, f.held("a", "alice"), "its row reserves nothing, so it may have spent everything")
	require.Zero(t, f.tokens("a", "carol"))
	f.round()
	f.clock.advance(time.Hour)
	f.take("a", "alice", 1)
	f.round()
	require.True(t, f.take("a", "alice", 1))
	f.round()

	f.reload(a)
	require.True(t, f.take("a", "alice", 2))
	for range 2 {
		f.take("a", "alice", 7)
		f.round()
	}
	require.Zero(t, f.tokens("a", "alice"), "nothing is reserved any more")
	require.False(t, f.store.spaces[1].Strict)
	f.clock.advance(5 * time.Minute)
	f.start(a)
	require.Equal(t, int64(5), f.held("a", "alice"))
}

// A store that ends with the process keeps no reservations.
func TestReloadOfStrictInMemory(t *testing.T) {
	a := limitNamed("a", "ip")
	f := newLimitsFixture(t, a)
	f.o.Volatile = true
	f.start(a)
	a.Strict = true
	f.o.Limits = []LimitOptions{a}
	_, err := f.Prepare(context.Background(), f.o)
	require.ErrorIs(t, err, errStrictVolatile)
}

// Through any number of changes an account is what exact arithmetic comes to, rounded down at each.
func TestAccountThroughChanges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := gcra.NewRate(gcratest.Settings(rt))
		wall := time.UnixMicro(1e15).UTC()
		fills := rapid.Bool().Draw(rt, "unmanaged")
		a := account{rate, rapid.Int64Range(-rate.Span, rate.Span).Draw(rt, "credit"), wall, fills}
		exact, at, r := big.NewRat(a.credit, rate.Interval), wall, rate
		var h history
		for range rapid.IntRange(0, 5).Draw(rt, "changes") {
			passed := time.Duration(rapid.Int64Range(0, 1<<50).Draw(rt, "passed"))
			at = at.Add(passed)
			is := gcra.NewRate(gcratest.Settings(rt))
			full := earn(exact, r, passed)
			if fills && full {
				exact.SetInt64(is.Capacity)
			} else if most := new(big.Rat).SetInt64(is.Capacity); exact.Cmp(most) > 0 {
				exact.Set(most)
			}
			owed := new(big.Rat).Neg(new(big.Rat).Mul(exact, new(big.Rat).SetInt64(is.Interval)))
			if owed.Cmp(new(big.Rat).SetInt64(gcra.MaxSpan)) >= 0 {
				return // It is cut: nobody lives to see it earned.
			}
			h, r = append(h, renumbering{Renumbered{Was: r.Settings, Is: is.Settings, From: at, Until: at}, is}), is
		}
		got, _ := a.through(h, time.UnixMicro(1<<60))
		require.Equal(rt, r, got.rate)
		diff := new(big.Rat).Sub(new(big.Rat).Mul(exact, new(big.Rat).SetInt64(r.Interval)), new(big.Rat).SetInt64(got.credit))
		require.GreaterOrEqual(rt, diff.Sign(), 0, "never more than it is")
	})
}

// earn adds what is earned, and reports whether that fills the bucket.
func earn(tokens *big.Rat, r *gcra.Rate, d time.Duration) (full bool) {
	tokens.Add(tokens, new(big.Rat).SetFrac64(int64(d), r.Interval))
	if most := new(big.Rat).SetInt64(r.Capacity); tokens.Cmp(most) >= 0 {
		tokens.Set(most)
		return true
	}
	return false
}

// If it is unknown when a change came, an account is at most what it is for any moment.
func TestAnUnknownMomentCreditsLeast(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		was, is := gcra.NewRate(gcratest.Settings(rt)), gcra.NewRate(gcratest.Settings(rt))
		wall := time.UnixMicro(1e15).UTC()
		span := rapid.Int64Range(0, 1<<rapid.IntRange(1, 50).Draw(rt, "magnitude")).Draw(rt, "span")
		a := account{was, rapid.Int64Range(-was.Span, was.Span).Draw(rt, "credit"), wall, rapid.Bool().Draw(rt, "unmanaged")}
		from := wall.Add(time.Duration(rapid.Int64Range(-span, span).Draw(rt, "from")))
		until := wall.Add(time.Duration(span))
		moment := later(wall, from).Add(time.Duration(rapid.Int64Range(0, max(0, int64(until.Sub(later(wall, from))))).Draw(rt, "moment")))
		least := a.past(renumbering{Renumbered{Is: is.Settings, From: from, Until: until}, is})
		really := a.earn(moment).turn(is).earn(until)
		if a.turn(is).credit <= -gcra.MaxSpan {
			return // It is cut: nobody lives to see it earned.
		}
		require.LessOrEqual(rt, least.credit, really.credit, "conversions round down, so whole nanoseconds keep their order")
	})
}

// A row's settings say which changes it has seen, if the wall clock has stepped since, or within
// the reloads. Its moment says it if settings went and came back.
func TestARowIsPlacedByItsSettings(t *testing.T) {
	minute := func(n int) time.Time { return time.UnixMicro(1e15).UTC().Add(time.Duration(n) * time.Minute) }
	hours := func(capacity int64) gcra.Settings { return settingsOf(capacity, time.Hour) }
	a, b, c, other := hours(1), hours(2), hours(3), hours(9)
	change := func(was, is gcra.Settings, at int) renumbering {
		return renumbering{Renumbered{Was: was, Is: is, From: minute(at), Until: minute(at)}, gcra.NewRate(is)}
	}
	onward := history{change(a, b, 10), change(b, c, 20)}
	stepped := history{change(a, b, 10), change(b, c, 5)}
	back := history{change(b, a, 10), change(a, b, 20)}
	backStepped := history{change(b, a, 20), change(a, b, 10)}
	forgotten := history{change(b, c, 10), change(c, a, 20)}
	forgotten[0].Forgotten = true
	for _, test := range []struct {
		what   string
		h      history
		has    gcra.Settings
		at     int
		unseen int // the first change that it has not seen
	}{
		{"in its time", onward, a, 5, 0},
		{"in its time", onward, b, 15, 1},
		{"in its time", onward, c, 25, 2},
		{"the clock stepped back behind it", onward, a, 15, 0},
		{"the clock stepped back behind it", onward, b, 25, 1},
		{"the clock stepped back before it", onward, c, 5, 2},
		{"the clock stepped back before it", onward, b, 5, 1},
		{"the clock stepped back between the changes", stepped, a, 9, 0},
		{"the clock stepped back between the changes", stepped, b, 11, 1},
		{"the clock stepped back between the changes", stepped, c, 6, 2},
		{"settings that came back", back, b, 5, 0},
		{"settings that came back", back, a, 15, 1},
		{"settings that came back", back, b, 25, 2},
		{"settings that came back, at a moment of others", back, b, 15, 0},
		{"settings that came back, and so did the clock", backStepped, b, 15, 0},
		{"settings of before what is known", onward, other, 5, 0},
		{"settings of before what is known", onward, other, 15, 1},
		{"settings of before what was forgotten", forgotten, a, 5, 0},
		{"no changes", nil, a, 5, 0},
	} {
		row := account{rate: gcra.NewRate(test.has), at: minute(test.at)}
		row.credit = row.rate.Span
		got, _ := row.through(test.h, minute(30))
		want, _ := row.throughAll(test.h[test.unseen:], minute(30))
		require.Equal(t, want.earn(minute(30)).credit, got.earn(minute(30)).credit, "%s: at %d", test.what, test.at)
	}
}

// A change that is noted for a time that is still to come, as the clock stepped back since, earns
// nothing beyond the present.
func TestAChangeOfTheFutureEarnsNothing(t *testing.T) {
	now := time.UnixMicro(1e15).UTC()
	was, is := settingsOf(100, time.Second), settingsOf(100, time.Hour)
	at := now.Add(time.Minute)
	h := history{{Renumbered{Was: was, Is: is, From: at, Until: at}, gcra.NewRate(is)}}
	a, changed := account{rate: gcra.NewRate(was), at: now.Add(-10 * time.Second)}.through(h, now)
	require.True(t, changed)
	require.Equal(t, 10*int64(time.Hour), a.credit)
}

// Changes that no row can need are dropped, and none is forgotten silently.
func TestRenumberedIsBounded(t *testing.T) {
	now := time.UnixMicro(1e15).UTC()
	change := func(tier string, at time.Time) Renumbered {
		return Renumbered{Tier: tier, Was: settingsOf(10, time.Minute), Is: settingsOf(20, time.Minute), From: at, Until: at}
	}
	list := renumbered(nil, []Renumbered{change("", now), change("gold", now.Add(time.Minute))})
	none := func(*gcra.Rate) int64 { return 0 }
	require.Len(t, needed(list, now.Add(20*time.Minute), none), 2)
	require.Len(t, needed(list, now.Add(20*time.Minute+time.Second), none), 1)
	ten := func(*gcra.Rate) int64 { return 10 }
	require.Len(t, needed(list, now.Add(30*time.Minute), ten), 2, "a row may reserve ten tokens more")
	require.Len(t, needed(list, now.Add(30*time.Minute+time.Second), ten), 1)
	list[0].Unknown, list[0].Until = true, time.Time{}
	require.Len(t, needed(list, now.Add(time.Hour), none), 2)
	list = nil
	for range maxRenumbered {
		list = renumbered(list, []Renumbered{change("", now), change("gold", now)})
	}
	require.Len(t, list, maxRenumbered)
	require.True(t, list[0].Forgotten)
	require.True(t, list[1].Forgotten)
	require.False(t, list[2].Forgotten)
	a, changed := account{rate: gcra.NewRate(settingsOf(10, time.Minute)), credit: 5, at: now.Add(-1)}.through(histories(list)[""], now)
	require.True(t, changed)
	require.Zero(t, a.credit)
}
