package bolt

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/storetest"
)

// hurry makes every batch recent, and folds it soon.
func hurry() pace {
	return pace{chunk: 64, share: 1 << 40, leastBytes: 300, mostRuns: 4, stretch: 2}
}

// scratch is an empty file of ours.
func scratch(t *testing.T) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "equalizer.db"), 0o600, &bbolt.Options{NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error { _, err := claimSchema(tx, nil); return err }))
	return db
}

// anyChanges are puts and deletes of some clients, in order.
func anyChanges(clients []string) *rapid.Generator[[]change] {
	return rapid.Custom(func(t *rapid.T) (all []change) {
		of := rapid.SliceOfNDistinct(rapid.SampledFrom(clients), 0, len(clients), rapid.ID).Draw(t, "of")
		for _, clientID := range slices.Sorted(slices.Values(of)) {
			one := change{key: []byte(clientID)}
			if rapid.IntRange(0, 3).Draw(t, "kind") > 0 {
				one.value = rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "value")
			}
			all = append(all, one)
		}
		return all
	})
}

// For any batches and any pace, reads from any client_id on return what a map would.
func TestRecentBatchesAreAMap(t *testing.T) {
	db := scratch(t)
	folds := 0
	rapid.Check(t, func(t *rapid.T) {
		require.NoError(t, db.Update(empty))
		name := rapid.OneOf(rapid.StringN(1, 12, 40), rapid.StringOfN(rapid.RuneFrom([]rune{0, 'a'}), 1, 4, -1)) // the latter are close to each other
		clients := rapid.SliceOfNDistinct(name, 3, 20, rapid.ID).Draw(t, "clients")
		p := pace{
			few: rapid.IntRange(0, 5).Draw(t, "few"), chunk: rapid.IntRange(1, 200).Draw(t, "chunk"), share: 1 << 40,
			leastBytes: int64(rapid.IntRange(0, 500).Draw(t, "least")), mostRuns: rapid.SampledFrom([]uint32{1, 2, 3, 6, 1000}).Draw(t, "runs"),
			stretch: rapid.IntRange(0, 3).Draw(t, "stretch"),
		}
		model := map[string][]byte{}
		if rapid.Bool().Draw(t, "upgraded") {
			require.NoError(t, db.Update(func(tx *bbolt.Tx) error { return upgraded(t, tx, clients, model) }))
			requireModel(t, db, model, clients, "")
		}
		for range rapid.IntRange(1, 30).Draw(t, "writes") {
			batch := anyChanges(clients).Draw(t, "batch")
			apply(model, batch)
			before, after := 0, 0
			require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
				c, err := contentsOf(tx)
				require.NoError(t, err)
				before = len(c.generations)
				if err := c.write(batch, p); err != nil {
					return err
				}
				after = len(c.generations)
				return nil
			}))
			if before == 2 && after == 1 {
				folds++
			}
			requireModel(t, db, model, clients, rapid.SampledFrom(clients).Draw(t, "from"))
		}
	})
	require.NotZero(t, folds)
}

func apply(model map[string][]byte, batch []change) {
	for _, one := range batch {
		delete(model, string(one.key))
		if one.value != nil {
			model[string(one.key)] = one.value
		}
	}
}

// upgraded gives an empty file what version 3 may have left: an old generation, and up to two newer
// ones.
func upgraded(t *rapid.T, tx *bbolt.Tx, clients []string, model map[string][]byte) error {
	old, err := tx.CreateBucket([]byte(bucketsName))
	require.NoError(t, err)
	for _, one := range anyChanges(clients).Draw(t, "old") {
		if one.value != nil {
			apply(model, []change{one})
			require.NoError(t, old.Put(one.key, one.value))
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "generations") {
		b, err := tx.Bucket([]byte(recentName)).CreateBucket([]byte{0, 0, 0, 0, 0, 0, 1, byte(i)})
		require.NoError(t, err)
		for run := range rapid.Uint32Range(1, 2).Draw(t, "runs") {
			batch := anyChanges(clients).Draw(t, "batch")
			apply(model, batch)
			require.NoError(t, generation{nil, b}.append(run, batch, hurry()))
		}
	}
	return nil
}

// empty removes all rows.
func empty(tx *bbolt.Tx) error {
	if tx.Bucket([]byte(bucketsName)) != nil {
		if err := tx.DeleteBucket([]byte(bucketsName)); err != nil {
			return err
		}
	}
	for _, name := range []string{baseName, recentName} {
		if err := tx.DeleteBucket([]byte(name)); err != nil {
			return err
		}
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(metaName)).Delete([]byte(foldedName))
}

// requireMoved demands that the folded rows of an old generation aren't in it any more.
func requireMoved(t require.TestingT, c *contents) {
	if len(c.generations) == 0 || !c.generations[0].old() {
		return
	}
	if left, _ := c.generations[0].Cursor().First(); left != nil {
		one, err := newRun(c.base.Bucket, nil, left).next()
		require.NoError(t, err)
		require.Nil(t, one.key, "%q is left", left)
	}
}

func requireModel(t require.TestingT, db *bbolt.DB, model map[string][]byte, clients []string, from string) {
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		c, err := contentsOf(tx)
		require.NoError(t, err)
		recent := slices.DeleteFunc(slices.Clone(c.generations), generation.old)
		require.LessOrEqual(t, len(recent), 2)
		requireMoved(t, c)
		var want, got []string
		for _, clientID := range slices.Sorted(maps.Keys(model)) {
			if clientID >= from {
				want = append(want, fmt.Sprintf("%q %x", clientID, model[clientID]))
			}
		}
		rows, err := c.rowsFrom([]byte(from))
		require.NoError(t, err)
		for {
			one, err := rows.next()
			require.NoError(t, err)
			if one.key == nil {
				break
			}
			if len(one.value) > 0 {
				got = append(got, fmt.Sprintf("%q %x", one.key, one.value))
			}
		}
		require.Equal(t, want, got)
		for _, clientID := range clients {
			value, err := c.find([]byte(clientID))
			require.NoError(t, err)
			require.True(t, bytes.Equal(model[clientID], value), "%q: %x", clientID, value)
		}
		return nil
	}))
}

// Large batches are recent until there are enough of them. Then the base has all of them, and their
// place is free again.
func TestLargeBatchesAreFolded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "equalizer.db")
	s := open(t, path)
	s.pace.leastBytes = 1 << 20
	records := storetest.Records(40_000)
	most, dropped := 0, 0
	for round := range 40 {
		var batch limiter.Batch
		for i := round % 8; i < len(records); i += 8 {
			records[i].Tokens = float64(round)
			batch.Puts = append(batch.Puts, records[i])
		}
		storetest.Write(t, s, batch)
		n := 0
		require.NoError(t, s.db.View(func(tx *bbolt.Tx) error {
			c, err := contentsOf(tx)
			if err == nil {
				n = len(c.generations)
			}
			return err
		}))
		if n < most {
			dropped++
			most = 0
		}
		most = max(most, n)
	}
	require.GreaterOrEqual(t, dropped, 2)
	check := func(s *Store) {
		got := storetest.Load(t, s)
		require.Len(t, got, len(records))
		for _, r := range records {
			require.Equal(t, r, got[r.ClientID])
		}
		for i := 0; i < len(records); i += 997 {
			r, ok := storetest.Get(t, s, records[i].ClientID)
			require.True(t, ok)
			require.Equal(t, records[i], r)
		}
	}
	check(s)
	require.NoError(t, s.Close())
	check(open(t, path))
	require.Less(t, size(t, path), int64(16<<20))
}

func TestDamagedChunksAreNamed(t *testing.T) {
	f := func(name string, of func(c *contents) *bbolt.Bucket) {
		path := filled(t)
		s := open(t, path)
		s.pace = hurry()
		for range 2 * s.pace.mostRuns {
			storetest.Write(t, s, limiter.Batch{Puts: storetest.Records(500)})
		}
		require.NoError(t, s.Close())
		last := ""
		edit(t, path, func(tx *bbolt.Tx) error {
			c, err := contentsOf(tx)
			require.NoError(t, err, name)
			b := of(c)
			key, chunk := b.Cursor().Last()
			for rest := chunk; len(rest) > 0; {
				var row change
				row, rest, err = cutRow(rest)
				require.NoError(t, err)
				last = string(row.key)
			}
			return b.Put(key, chunk[:len(chunk)-1])
		})
		s = open(t, path)
		s.pace = hurry()
		require.ErrorIs(t, s.Load(t.Context(), 1, func(limiter.Record) error { return nil }), errValue, name)
		_, _, err := s.Get(t.Context(), storetest.Keys(last)[0])
		require.ErrorIs(t, err, errValue, name)
	}
	f("base", func(c *contents) *bbolt.Bucket { return c.base.Bucket })
	f("recent", func(c *contents) *bbolt.Bucket { return c.generations[len(c.generations)-1].Bucket })
}

func FuzzCutRow(f *testing.F) {
	f.Add(appendRow(appendRow(nil, change{key: []byte("alice"), value: []byte("v")}), change{key: []byte("bob")}))
	f.Add([]byte{5, 'a'})
	f.Add([]byte{0, 1, 'v'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, chunk []byte) {
		one, rest, err := cutRow(chunk)
		if err != nil {
			require.ErrorIs(t, err, errValue)
			return
		}
		require.NotEmpty(t, one.key)
		again, none, err := cutRow(appendRow(nil, one))
		require.NoError(t, err)
		require.Empty(t, none)
		require.Equal(t, one.key, again.key)
		require.True(t, bytes.Equal(one.value, again.value))
		require.Less(t, len(rest), len(chunk))
	})
}

// Small writes after a peak don't become ever more runs.
func TestSmallWritesBehindAPeak(t *testing.T) {
	db := scratch(t)
	p := usualPace()
	p.mostRuns, p.leastBytes, p.share = 20, 64<<10, 1<<40
	value := append([]byte{1}, make([]byte, 29)...)
	update := func(clients ...int) (generations int, run uint32) {
		var all []change
		for _, n := range clients {
			all = append(all, change{fmt.Appendf(nil, "client-%08d", n), value})
		}
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			c, err := contentsOf(tx)
			require.NoError(t, err)
			return c.write(all, p)
		}))
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			c, err := contentsOf(tx)
			require.NoError(t, err)
			generations = len(c.generations)
			_, run, err = c.newest(pace{mostRuns: math.MaxUint32, leastBytes: math.MaxInt64, share: 1})
			return err
		}))
		return generations, run
	}
	peak := make([]int, 20_000)
	for i := range peak {
		peak[i] = i
	}
	for generations := 0; generations < 2; {
		generations, _ = update(peak...)
	}
	for range 10 * p.mostRuns {
		_, run := update(7)
		require.LessOrEqual(t, run, 3*p.mostRuns)
	}
}
