package postgres

import (
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/postgres/pgtest"
)

func TestLeasesAreWrittenAndRead(t *testing.T) {
	f := func(text string, all ...held) {
		t.Helper()
		assert.Equal(t, text, leases(all).encode())
		got, err := decodeLeases(text)
		require.NoError(t, err)
		assert.Equal(t, leases(all), got)
	}
	f("{}")
	f("{1,2,3,0}", held{1, 2, 3, 0})
	f("{7,4,12,4,3,1,900,0}", held{7, 4, 12, 4}, held{3, 1, 900, 0})
	f("{9223372036854775807,9223372036854775806,9223372036854775807,9223372036854775807,1,1,1,1}",
		held{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64}, held{1, 1, 1, 1})
	none, err := decodeLeases("")
	require.NoError(t, err)
	assert.Empty(t, none, "of NULL")
}

func TestLeasesThatCantBe(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := decodeLeases(text)
		assert.ErrorContains(t, err, want)
	}
	f("1,2,3,4", `"1,2,3,4" is no array`)
	f("{1,2,3,4", "is no array")
	f("[0:3]={1,2,3,4}", "is no array")
	f("{{1,2,3,4},{2,2,3,4}}", `"{1" is no number`)
	f("{1,2,3}", "3 numbers; want 4 for each replica")
	f("{1,2,3,4,5}", "5 numbers")
	f("{1,2,3,NULL}", `"NULL" is no number`)
	f("{1,2,3,}", `"" is no number`)
	f("{1,2,3,9223372036854775808}", "is no number of 64 bits")
	f("{0,2,3,4}", "replica 0 can't hold")
	f("{1,0,3,4}", "can't hold 0 tokens")
	f("{1,-2,3,4}", "replica 1 can't hold -2 tokens since its round 3, which was granted 4")
	f("{1,2,0,4}", "since its round 0")
	f("{1,2,3,-4}", "granted -4")
	f("{1,2,3,4,2,2,3,4,1,2,3,4}", "replica 1 is there twice")
	f("{1,9223372036854775807,3,4,2,1,3,4}", "they come to more")
}

func FuzzDecodeLeases(f *testing.F) {
	for _, seed := range []string{"", "{}", "{1,2,3,0}", "{1,2,3,4,5,6,7,8}", "{1,2,3}", "{1,-2,3,4}", "{1,2,3,NULL}", "{{1,2,3,4}}", "{+1,2,3,4}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := decodeLeases(text)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		sum := int64(0)
		for _, h := range all {
			require.Positive(t, h.tokens)
			require.GreaterOrEqual(t, h.granted, int64(0))
			sum += h.tokens
		}
		require.GreaterOrEqual(t, sum, int64(0))
		again, err := decodeLeases(all.encode())
		require.NoError(t, err)
		require.Equal(t, all, again)
	})
}

func TestLeasesOfOneAreReplaced(t *testing.T) {
	var all leases
	f := func(h held, want ...held) {
		t.Helper()
		all = all.with(h)
		assert.ElementsMatch(t, want, all)
	}
	a, b := held{1, 4, 1, 4}, held{2, 3, 8, 0}
	f(held{1, 0, 1, 0})
	f(a, a)
	f(b, a, b)
	f(held{1, 2, 2, 0}, held{1, 2, 2, 0}, b)
	f(held{3, 0, 1, 0}, held{1, 2, 2, 0}, b)
	f(held{1, 0, 3, 0}, b)
	f(held{2, 0, 9, 0})
}

func TestLeasesAreSharedOut(t *testing.T) {
	now := time.Unix(1000, 0)
	of := &roster{now: now, died: map[int64]time.Time{1: {}, 2: {}, 3: {}, 4: now.Add(-3 * time.Second), 5: now.Add(-time.Second)}}
	assert.Equal(t, 3, of.alive())
	assert.ElementsMatch(t, []int64{4, 5}, of.dead())
	share := func(all ...held) *locked {
		b := &locked{leases: all}
		b.shareOut(of, 1, 7)
		return b
	}
	b := share(held{1, 4, 7, 2}, held{2, 3, 7, 3}, held{3, 1, 6, 1})
	assert.Equal(t, []int64{4, 4, 0, 2}, []int64{b.Mine, b.Others, b.Dead, b.granted})
	assert.Len(t, b.leases, 3)
	assert.False(t, b.hasDead)
	assert.Zero(t, share(held{1, 4, 6, 2}).granted, "that was a former round")

	b = share(held{4, 5, 1, 5}, held{1, 4, 6, 2}, held{5, 2, 1, 0})
	assert.Equal(t, []int64{4, 0, 7}, []int64{b.Mine, b.Others, b.Dead})
	assert.Equal(t, of.died[5], b.DiedAt, "the last one")
	assert.Equal(t, leases{{1, 4, 6, 2}}, b.leases)
	assert.True(t, b.hasDead)
	b = share(held{6, 1, 1, 1})
	assert.Equal(t, now, b.DiedAt, "nobody knows when")
	assert.Equal(t, int64(1), b.Dead)
}

// The column can be read, and asked about, by hand.
func TestTheColumnOfLeases(t *testing.T) {
	schema := server.Schema(t)
	l := openLedger(t, at(t, schema))
	a, b := joined(t, l, "a", slow(10)), joined(t, l, "b", slow(10))
	db := pgtest.Connect(t, schema)
	column := func() (text *string) {
		require.NoError(t, db.QueryRow(t.Context(), "SELECT leases::text FROM buckets WHERE client_id = 'alice'").Scan(&text))
		return text
	}
	text := func(all ...held) *string { s := leases(all).encode(); return &s }
	a.grants(a.ask("alice", 0, 0, 4))
	assert.Equal(t, text(held{a.member, 4, 1, 4}), column())
	b.grants(b.ask("alice", 0, 0, 2))
	a.grants(a.ask("alice", 3, 0, 3))
	assert.Equal(t, text(held{a.member, 3, 2, 0}, held{b.member, 2, 1, 2}), column())
	a.grants(a.ask("alice", 0, 0, 0))
	assert.Equal(t, text(held{b.member, 2, 1, 2}), column())
	b.grants(b.ask("alice", 1, 0, 1), b.ask("bob", 0, 0, 0))
	b.grants(b.ask("alice", 0, 0, 0))
	assert.Nil(t, column(), "nobody holds anything")
}

// leased is of how many buckets each replica holds tokens, by its id.
func leased(t *testing.T, schema string) map[int64]int {
	t.Helper()
	rows, err := pgtest.Connect(t, schema).Query(t.Context(),
		"SELECT leases[i], count(*) FROM buckets, generate_series(1, cardinality(leases), 4) i GROUP BY 1")
	require.NoError(t, err)
	all := map[int64]int{}
	var id int64
	var n int
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error { all[id] = n; return nil })
	require.NoError(t, err)
	return all
}
