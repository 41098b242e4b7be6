// Package storetest has the tests that every store must pass, and a store that fails on demand.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
)

// Opener makes a new and empty place for a store's buckets, such as a file or a schema, which only
// t uses and which is gone after it.
type Opener func(t *testing.T) Place

// Place is where a store keeps its buckets.
type Place struct {
	// Open opens the store of this place. It may be opened again after a Close. A second opener
	// before that waits for the place until ctx ends.
	Open func(ctx context.Context) (limiter.Store, error)

	// Durable reports whether a store that is opened again has what was written, and a second
	// opener is refused.
	Durable bool

	// Stall makes what is below s hang until release is called. It is nil where nothing can hang.
	Stall func(t *testing.T, s limiter.Store) (release func())
}

// Run checks every promise of limiter.Store, each in a place of its own.
func Run(t *testing.T, open Opener) {
	f := func(name string, check func(t *testing.T, place Place)) {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
	f("every field comes back", everyFieldComesBack)
	f("a put replaces", aPutReplaces)
	f("a delete removes", aDeleteRemoves)
	f("nothing is where nothing was written", nothingWhereNothingWasWritten)
	f("namespaces come back", namespacesComeBack)
	f("namespaces are written with their rows", namespacesAreWrittenWithTheirRows)
	f("each namespace is loaded alone", eachNamespaceIsLoadedAlone)
	f("a store is a map", aStoreIsAMap)
	f("a load gives each record once", aLoadGivesEachRecordOnce)
	f("a load stops at the error of yield", aLoadStopsAtTheErrorOfYield)
	f("a load stops when its context ends", aLoadStopsWhenItsContextEnds)
	f("a call whose context is over does nothing", aCallWhoseContextIsOverDoesNothing)
	f("a batch stays the caller's", aBatchStaysTheCallers)
	f("a closed store refuses", aClosedStoreRefuses)
	f("what hangs ends with its context", whatHangsEndsWithItsContext)
	f("a broken off write is whole or nothing", aBrokenOffWriteIsWholeOrNothing)
	f("close ends a call under way", closeEndsACallUnderWay)
	f("a second opener is refused", aSecondOpenerIsRefused)
	f("a service finds its buckets again", aServiceFindsItsBucketsAgain)
	f("a delete during a flush stays", aDeleteDuringAFlushStays)
	f("a deleted managed bucket is not put again", aDeletedManagedBucketIsNotPutAgain)
	f("an ambiguous admin write is settled", anAmbiguousAdminWriteIsSettled)
	f("an ambiguous flush loses nothing", anAmbiguousFlushLosesNothing)
	f("a crash of a strict service gives nothing back", aCrashOfAStrictServiceGivesNothingBack)
	f("changed defaults over a restart", changedDefaultsOverARestart)
	f("three limits share a store", threeLimitsShareAStore)
	f("client_ids become secret", clientIDsBecomeSecret)
	f("managed buckets of a limit are deleted", managedBucketsOfALimitAreDeleted)
}

// patience is far more than any call takes, and short enough to wait for in a failing test.
const patience = 20 * time.Second

// Open opens the store of a place for the length of a test.
func Open(t *testing.T, place Place) limiter.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := place.Open(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Reopen closes s and opens its place again if the place is durable. Otherwise it returns s.
func Reopen(t *testing.T, place Place, s limiter.Store) limiter.Store {
	t.Helper()
	if !place.Durable {
		return s
	}
	require.NoError(t, s.Close())
	return Open(t, place)
}

// Write writes a batch. It must succeed.
func Write(t require.TestingT, s limiter.Store, batch limiter.Batch) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, s.Write(ctx, batch))
}

// Get reads a record of the first namespace, and whether there is one. It must succeed.
func Get(t require.TestingT, s limiter.Store, clientID string) (limiter.Record, bool) {
	return GetKey(t, s, limiter.Key{Namespace: first, ClientID: clientID})
}

// GetKey is Get in any namespace.
func GetKey(t require.TestingT, s limiter.Store, key limiter.Key) (limiter.Record, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, ok, err := s.Get(ctx, key)
	require.NoError(t, err)
	return r, ok
}

// Load reads every record of the first namespace, by client_id. It must succeed, and yield
// each client once.
func Load(t require.TestingT, s limiter.Store) map[string]limiter.Record {
	return LoadFrom(t, s, first)
}

// LoadFrom is Load from any namespace.
func LoadFrom(t require.TestingT, s limiter.Store, namespace uint32) map[string]limiter.Record {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all := map[string]limiter.Record{}
	require.NoError(t, s.Load(ctx, namespace, func(r limiter.Record) error {
		require.Equal(t, namespace, r.Namespace)
		_, twice := all[r.ClientID]
		require.False(t, twice, "%q came twice", r.ClientID)
		all[r.ClientID] = r
		return nil
	}))
	return all
}

// LoadAll reads the records of all namespaces that these checks write to.
func LoadAll(t require.TestingT, s limiter.Store) map[limiter.Key]limiter.Record {
	all := map[limiter.Key]limiter.Record{}
	for _, namespace := range namespaces {
		for _, r := range LoadFrom(t, s, namespace) {
			all[r.Key] = r
		}
	}
	return all
}

// Namespaces reads all of them. It must succeed.
func Namespaces(t require.TestingT, s limiter.Store) []limiter.Namespace {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := s.Namespaces(ctx)
	require.NoError(t, err)
	return all
}
