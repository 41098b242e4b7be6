package procs

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGovernor(t *testing.T) {
	const tick = 100 * time.Millisecond
	g := governor{few: 2, all: true}
	f := func(want bool, used float64, times int) {
		t.Helper()
		for range times {
			require.Equal(t, want, g.next(used, tick))
		}
	}
	f(true, 0.1, 19)
	f(false, 0.1, 1) // calm for two seconds
	f(false, 1.2, 50)
	f(true, 1.4, 1) // busy
	f(true, 0.9, 19)
	f(true, 1.1, 1) // neither: calm begins anew
	f(true, 0.9, 19)
	f(false, 0.9, 1)
	f(true, 16, 1)
}

// Under no load Go is given few processors, under load all, and all again at the end.
func TestGovern(t *testing.T) {
	runtime.GOMAXPROCS(3)
	defer runtime.SetDefaultGOMAXPROCS()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	var few atomic.Int64
	few.Store(2)
	go func() {
		defer close(done)
		Govern(ctx, func() int { return int(few.Load()) })
	}()
	given := func(processors int) {
		t.Helper()
		require.Eventually(t, func() bool { return runtime.GOMAXPROCS(0) == processors }, time.Minute, time.Millisecond)
	}
	given(2)
	few.Store(1)
	given(1)
	for begin := time.Now(); runtime.GOMAXPROCS(0) == 1; {
		require.Less(t, time.Since(begin), time.Minute)
	}
	cancel()
	<-done
	assert.Equal(t, runtime.NumCPU(), runtime.GOMAXPROCS(0))
}
