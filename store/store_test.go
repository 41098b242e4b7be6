package store_test

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store"
)

func TestCheck(t *testing.T) {
	f := func(capacity int64, tokens float64, why string) {
		t.Helper()
		err := store.Check(limiter.Record{
			Key:      limiter.Key{ClientID: "alice"},
			Settings: gcra.Settings{Capacity: capacity, Refill: gcra.Refill{Amount: 1, Per: time.Second}},
			Tokens:   tokens,
		})
		if why == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, `client "alice": `)
		require.ErrorContains(t, err, why)
	}
	f(1, 0, "")
	f(1, 0.5, "")
	f(10, 10, "")
	f(0, 0, "capacity 0")
	f(10, -0.5, "")
	f(10, math.Inf(-1), "-Inf tokens")
	f(10, math.NaN(), "NaN tokens")
	f(10, math.Inf(1), "+Inf tokens")
}

func TestCheckOfWhatIsReserved(t *testing.T) {
	r := limiter.Record{
		Key:      limiter.Key{ClientID: "alice"},
		Settings: gcra.Settings{Capacity: 1, Refill: gcra.Refill{Amount: 1, Per: time.Second}},
	}
	for _, reserved := range []float64{0, 0.5, 7, math.Inf(1)} {
		r.Reserved = reserved
		require.NoError(t, store.Check(r))
	}
	for _, reserved := range []float64{-1, math.Inf(-1), math.NaN()} {
		r.Reserved = reserved
		require.ErrorContains(t, store.Check(r), "reserved tokens can't be")
	}
}

func TestHolderSaysWho(t *testing.T) {
	h := store.Holder{Host: "web-1", PID: 4711, Since: time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC)}
	require.Equal(t, "process 4711 on web-1, since 2026-11-23T07:21:02Z", h.String())
	require.Equal(t, os.Getpid(), store.Self().PID)
	require.NotEmpty(t, store.Self().Host)
}
