package storetest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/memory"
	"gopher-equalizer/store/storetest"
)

func batch(clientID string) limiter.Batch {
	return limiter.Batch{Puts: []limiter.Record{storetest.Record(clientID, 1)}}
}

func TestFaultyWithoutFaultsIsTheStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Place {
		return storetest.Place{Open: func(context.Context) (limiter.Store, error) {
			return storetest.NewFaulty(memory.New()), nil
		}}
	})
}

func TestFaultyOutcomes(t *testing.T) {
	inner := memory.New()
	s := storetest.NewFaulty(inner)
	s.Queue(storetest.InDoubt(storetest.Lost), storetest.InDoubt(storetest.Applied), storetest.InDoubt(storetest.AppliedLate))
	for _, clientID := range []string{"lost", "applied", "late"} {
		require.ErrorIs(t, s.Write(t.Context(), batch(clientID)), limiter.ErrInDoubt)
	}
	require.Equal(t, 3, s.Writes())
	has := func(clientID string) bool {
		_, ok := storetest.Get(t, inner, clientID)
		return ok
	}
	require.False(t, has("lost"))
	require.True(t, has("applied"))
	require.False(t, has("late"))
	storetest.Get(t, s, "anyone")
	require.True(t, has("late"), "by the next call")
	require.False(t, has("lost"))
}

func TestFaultyBeforeSeesTheBatchThatIsNotYetStored(t *testing.T) {
	inner := memory.New()
	s := storetest.NewFaulty(inner)
	s.Queue(storetest.Fault{Before: func(_ context.Context, b limiter.Batch) {
		require.Equal(t, batch("alice"), b)
		require.Empty(t, storetest.Load(t, inner))
	}})
	storetest.Write(t, s, batch("alice"))
	require.Len(t, storetest.Load(t, s), 1)
}

func TestFaultyDown(t *testing.T) {
	s := storetest.NewFaulty(memory.New())
	gone := errors.New("gone")
	s.SetDown(gone)
	_, _, err := s.Get(t.Context(), storetest.Keys("alice")[0])
	require.ErrorIs(t, err, gone)
	require.ErrorIs(t, s.Write(t.Context(), batch("alice")), gone)
	require.ErrorIs(t, s.Load(t.Context(), 1, nil), gone)
	s.SetDown(nil)
	require.Empty(t, storetest.Load(t, s))
}
