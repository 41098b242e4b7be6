package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter"
)

func everyFieldComesBack(t *testing.T, place Place) {
	s := Open(t, place)
	records := extremes()
	Write(t, s, puts(records...))
	check := func() {
		for _, want := range records {
			got, ok := Get(t, s, want.ClientID)
			require.True(t, ok, "%q", want.ClientID)
			require.Equal(t, want, got)
		}
		requireContents(t, s, records)
	}
	check()
	s = Reopen(t, place, s)
	check()
}

func aPutReplaces(t *testing.T, place Place) {
	s := Open(t, place)
	before, after := Record("alice", 5), Record("alice", 3.5)
	after.Managed = true
	after.Settings.Capacity, after.Settings.Refill.Amount = 7, 2
	after.At = before.At.Add(1000)
	other := Record("bob", 1)
	Write(t, s, puts(before, other))
	Write(t, s, puts(after))
	requireContents(t, s, []limiter.Record{after, other})
}

func aDeleteRemoves(t *testing.T, place Place) {
	s := Open(t, place)
	Write(t, s, puts(Record("alice", 1), Record("bob", 2), Record("carol", 3)))
	batch := puts(Record("bob", 1), Record("dave", 4))
	batch.Deletes = []string{"alice", "carol", "nobody"}
	Write(t, s, batch)
	requireContents(t, s, []limiter.Record{Record("bob", 1), Record("dave", 4)})
	_, ok := Get(t, s, "alice")
	require.False(t, ok)

	s = Reopen(t, place, s)
	requireContents(t, s, []limiter.Record{Record("bob", 1), Record("dave", 4)})
	Write(t, s, limiter.Batch{Deletes: []string{"bob", "dave"}})
	requireContents(t, s, nil)
}

func nothingWhereNothingWasWritten(t *testing.T, place Place) {
	s := Open(t, place)
	requireContents(t, s, nil)
	Write(t, s, limiter.Batch{})
	Write(t, s, limiter.Batch{Deletes: []string{"nobody"}})
	requireContents(t, s, nil)
	Write(t, s, puts(Record("alice", 1)))
	for _, clientID := range []string{"alic", "alice ", "Alice", "alicf", "", "nobody"} {
		_, ok := Get(t, s, clientID)
		require.False(t, ok, "%q", clientID)
	}
}

func howTheLastWriterEnded(t *testing.T, place Place) {
	s := Open(t, place)
	at := Record("", 0).At
	stopped := func(want time.Time, when string) {
		t.Helper()
		got, err := s.Stopped(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got, when)
	}
	got, err := s.Stopped(t.Context())
	require.NoError(t, err)
	require.False(t, got.IsZero(), "nobody ever wrote")
	require.True(t, got.Before(at))
	Write(t, s, limiter.Batch{})
	stopped(time.Time{}, "an empty batch means that a writer is there")
	Write(t, s, limiter.Batch{Stopped: at})
	stopped(at, "the last one was said to be")
	s = Reopen(t, place, s)
	stopped(at, "over a restart")
	batch := puts(Record("alice", 1))
	Write(t, s, batch)
	stopped(time.Time{}, "buckets again")
	s = Reopen(t, place, s)
	stopped(time.Time{}, "no stop before the restart")
	batch.Stopped = at
	Write(t, s, batch)
	stopped(at, "with buckets in it")
	batch.Stopped = at.Add(time.Second)
	Write(t, s, batch)
	stopped(at.Add(time.Second), "again")
	requireContents(t, s, batch.Puts)
}

// aStoreIsAMap compares a store with a map over random batches.
func aStoreIsAMap(t *testing.T, place Place) {
	s := Open(t, place)
	rapid.Check(t, func(t *rapid.T) {
		Write(t, s, limiter.Batch{Deletes: keys(Load(t, s))})
		clientIDs := rapid.SliceOfNDistinct(anyClientID(), 4, 8, rapid.ID).Draw(t, "clients")
		model := map[string]limiter.Record{}
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			batch := anyBatch(clientIDs).Draw(t, "batch")
			Write(t, s, batch)
			for _, r := range batch.Puts {
				model[r.ClientID] = r
			}
			for _, clientID := range batch.Deletes {
				delete(model, clientID)
			}
		}
		require.Equal(t, model, Load(t, s))
		clientID := rapid.SampledFrom(clientIDs).Draw(t, "get")
		want, wanted := model[clientID]
		got, ok := Get(t, s, clientID)
		require.Equal(t, wanted, ok)
		require.Equal(t, want, got)
	})
}

// anyBatch draws a batch that puts some clients and deletes some of the others.
func anyBatch(clientIDs []string) *rapid.Generator[limiter.Batch] {
	return rapid.Custom(func(t *rapid.T) limiter.Batch {
		batch := puts(rapid.SliceOfDistinct(anyRecord(clientIDs), func(r limiter.Record) string { return r.ClientID }).Draw(t, "puts")...)
		for _, clientID := range slices.Sorted(slices.Values(clientIDs)) {
			isPut := slices.ContainsFunc(batch.Puts, func(r limiter.Record) bool { return r.ClientID == clientID })
			if !isPut && rapid.Bool().Draw(t, "delete") {
				batch.Deletes = append(batch.Deletes, clientID)
			}
		}
		return batch
	})
}

func keys(records map[string]limiter.Record) []string {
	var all []string
	for clientID := range records {
		all = append(all, clientID)
	}
	slices.Sort(all)
	return all
}

func aBatchStaysTheCallers(t *testing.T, place Place) {
	s := Open(t, place)
	batch := puts(Record("alice", 1), Record("bob", 2))
	batch.Deletes = []string{"carol"}
	Write(t, s, batch)
	clear(batch.Puts)
	clear(batch.Deletes)
	requireContents(t, s, []limiter.Record{Record("alice", 1), Record("bob", 2)})
}

// requireContents demands that a store holds these records, and nothing else.
func requireContents(t require.TestingT, s limiter.Store, want []limiter.Record) {
	wanted := map[string]limiter.Record{}
	for _, r := range want {
		wanted[r.ClientID] = r
	}
	require.Equal(t, wanted, Load(t, s))
}
