package storetest

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
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
			got, ok := GetKey(t, s, want.Key)
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
	batch.Deletes = Keys("alice", "carol", "nobody")
	Write(t, s, batch)
	requireContents(t, s, []limiter.Record{Record("bob", 1), Record("dave", 4)})
	_, ok := Get(t, s, "alice")
	require.False(t, ok)

	s = Reopen(t, place, s)
	requireContents(t, s, []limiter.Record{Record("bob", 1), Record("dave", 4)})
	Write(t, s, limiter.Batch{Deletes: Keys("bob", "dave")})
	requireContents(t, s, nil)
}

func nothingWhereNothingWasWritten(t *testing.T, place Place) {
	s := Open(t, place)
	requireContents(t, s, nil)
	Write(t, s, limiter.Batch{})
	Write(t, s, limiter.Batch{Deletes: Keys("nobody")})
	requireContents(t, s, nil)
	Write(t, s, puts(Record("alice", 1)))
	for _, clientID := range []string{"alic", "alice ", "Alice", "alicf", "", "nobody"} {
		_, ok := Get(t, s, clientID)
		require.False(t, ok, "%q", clientID)
	}
}

func namespacesComeBack(t *testing.T, place Place) {
	s := Open(t, place)
	require.Empty(t, Namespaces(t, s))
	at := Record("", 0).At
	all := []limiter.Namespace{
		{ID: 1, LimitName: "default", Fingerprint: "ip"},
		{ID: 2, LimitName: "default", Fingerprint: "header:x-api-key sha256", Stopped: time.UnixMicro(1).UTC()},
		{ID: 3, LimitName: "日本語", Fingerprint: "'; DROP TABLE namespaces; --", Stopped: at, Left: at.Add(time.Hour)},
		{ID: math.MaxInt32, LimitName: strings.Repeat("x", 256), Left: at},
		{ID: 7, LimitName: "changed", Strict: true, Renumbered: []limiter.Renumbered{
			{Was: Record("", 0).Settings, Is: Record("", 1).Settings, From: at, Until: at.Add(time.Second)},
			{Tier: "'gold\"日", Was: Record("", 0).Settings, Is: Record("", 1).Settings, From: at, Unknown: true},
		}},
	}
	slices.SortFunc(all, func(a, b limiter.Namespace) int { return cmp.Compare(a.ID, b.ID) })
	Write(t, s, limiter.Batch{Namespaces: all})
	require.Equal(t, all, Namespaces(t, s))
	s = Reopen(t, place, s)
	require.Equal(t, all, Namespaces(t, s))
	all[1].Stopped, all[1].Left = time.Time{}, at
	all[2].LimitName, all[2].Fingerprint, all[2].Stopped, all[2].Left = "other", "", at.Add(1000), time.Time{}
	Write(t, s, limiter.Batch{Namespaces: all[1:3]})
	Write(t, s, puts(Record("alice", 1)))
	require.Equal(t, all, Namespaces(t, s), "rows change no namespace")
	s = Reopen(t, place, s)
	require.Equal(t, all, Namespaces(t, s))
}

func namespacesAreWrittenWithTheirRows(t *testing.T, place Place) {
	s := Open(t, place)
	Write(t, s, puts(Record("alice", 1), Record("bob", 2)))
	batch := limiter.Batch{
		Namespaces: []limiter.Namespace{{ID: 1, LimitName: "default", Fingerprint: "secret"}},
		Puts:       puts(Record("sha256:1", 1), Record("sha256:2", 2)).Puts,
		Deletes:    Keys("alice", "bob"),
	}
	Write(t, s, batch)
	s = Reopen(t, place, s)
	require.Equal(t, batch.Namespaces, Namespaces(t, s))
	requireContents(t, s, batch.Puts)
}

// A client has a bucket under each of three limits, and there are many clients.
func eachNamespaceIsLoadedAlone(t *testing.T, place Place) {
	s := Open(t, place)
	var all []limiter.Record
	for _, namespace := range namespaces {
		for i, r := range Records(3000) {
			r.Namespace, r.Tokens = namespace, float64(i%7)+float64(namespace%5)
			all = append(all, r)
		}
	}
	Write(t, s, puts(all...))
	requireContents(t, s, all)
	s = Reopen(t, place, s)
	requireContents(t, s, all)
	of2 := limiter.Key{Namespace: 2, ClientID: all[5].ClientID}
	Write(t, s, limiter.Batch{Deletes: []limiter.Key{of2}})
	_, ok := GetKey(t, s, of2)
	require.False(t, ok)
	_, ok = Get(t, s, of2.ClientID)
	require.True(t, ok, "of another limit")
	require.Empty(t, LoadFrom(t, s, 4))
	require.Len(t, LoadAll(t, s), len(all)-1)
}

// aStoreIsAMap compares a store with a map over random batches.
func aStoreIsAMap(t *testing.T, place Place) {
	s := Open(t, place)
	rapid.Check(t, func(t *rapid.T) {
		Write(t, s, limiter.Batch{Deletes: keys(LoadAll(t, s))})
		buckets := rapid.SliceOfNDistinct(anyKey(), 4, 8, rapid.ID).Draw(t, "buckets")
		model := map[limiter.Key]limiter.Record{}
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			batch := anyBatch(buckets).Draw(t, "batch")
			Write(t, s, batch)
			for _, r := range batch.Puts {
				model[r.Key] = r
			}
			for _, key := range batch.Deletes {
				delete(model, key)
			}
		}
		require.Equal(t, model, LoadAll(t, s))
		key := rapid.SampledFrom(buckets).Draw(t, "get")
		want, wanted := model[key]
		got, ok := GetKey(t, s, key)
		require.Equal(t, wanted, ok)
		require.Equal(t, want, got)
	})
}

// anyBatch draws a batch that puts some buckets and deletes some of the others.
func anyBatch(buckets []limiter.Key) *rapid.Generator[limiter.Batch] {
	return rapid.Custom(func(t *rapid.T) limiter.Batch {
		batch := puts(rapid.SliceOfDistinct(anyRecord(buckets), func(r limiter.Record) limiter.Key { return r.Key }).Draw(t, "puts")...)
		for _, key := range slices.SortedFunc(slices.Values(buckets), limiter.Key.Compare) {
			isPut := slices.ContainsFunc(batch.Puts, func(r limiter.Record) bool { return r.Key == key })
			if !isPut && rapid.Bool().Draw(t, "delete") {
				batch.Deletes = append(batch.Deletes, key)
			}
		}
		return batch
	})
}

func keys(records map[limiter.Key]limiter.Record) []limiter.Key {
	return slices.SortedFunc(maps.Keys(records), limiter.Key.Compare)
}

func aBatchStaysTheCallers(t *testing.T, place Place) {
	s := Open(t, place)
	batch := puts(Record("alice", 1), Record("bob", 2))
	batch.Deletes = Keys("carol")
	Write(t, s, batch)
	clear(batch.Puts)
	clear(batch.Deletes)
	requireContents(t, s, []limiter.Record{Record("alice", 1), Record("bob", 2)})
}

// requireContents demands that a store holds these records, and nothing else.
func requireContents(t require.TestingT, s limiter.Store, want []limiter.Record) {
	wanted := map[limiter.Key]limiter.Record{}
	for _, r := range want {
		wanted[r.Key] = r
	}
	require.Equal(t, wanted, LoadAll(t, s))
}
