package store_test

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
)

func TestCheckTokens(t *testing.T) {
	f := func(tokens float64, ok bool) {
		t.Helper()
		err := store.CheckTokens(limiter.Record{ClientID: "alice", Tokens: tokens})
		if ok {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, `client "alice"`)
	}
	f(0, true)
	f(1<<51, true)
	f(0.5, true)
	f(-0.5, false)
	f(math.NaN(), false)
	f(math.Inf(1), false)
}

func TestHolderSaysWho(t *testing.T) {
	h := store.Holder{Host: "web-1", PID: 4711, Since: time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC)}
	require.Equal(t, "process 4711 on web-1, since 2026-11-23T07:21:02Z", h.String())
	require.Equal(t, os.Getpid(), store.Self().PID)
	require.NotEmpty(t, store.Self().Host)
}
