package procs

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoad(t *testing.T) {
	const tick = 100 * time.Millisecond
	l := load{all: true}
	f := func(want bool, used float64, times int) {
		t.Helper()
		for range times {
			require.Equal(t, want, l.next(used, tick))
		}
	}
	f(true, 0.1, 19)
	f(false, 0.1, 1) // calm for two seconds
	f(false, 0.6, 50)
	f(true, 0.7, 1) // busy
	f(true, 0.4, 19)
	f(true, 0.55, 1) // neither: calm begins anew
	f(true, 0.4, 19)
	f(false, 0.4, 1)
	f(true, 16, 1)
}

// Under no load Go is given one processor, under load all, and all again at the end.
func TestGovernor(t *testing.T) {
	runtime.GOMAXPROCS(3)
	defer runtime.SetDefaultGOMAXPROCS()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	g := NewGovernor()
	go func() {
		defer close(done)
		g.Run(ctx)
	}()
	require.Eventually(t, func() bool { return runtime.GOMAXPROCS(0) == 1 }, time.Minute, time.Millisecond)
	for begin := time.Now(); runtime.GOMAXPROCS(0) == 1; {
		require.Less(t, time.Since(begin), time.Minute)
	}
	cancel()
	<-done
	assert.Equal(t, runtime.NumCPU(), runtime.GOMAXPROCS(0))
}

// While a job is done aside there is a second processor, unless the load has all anyway.
func TestAside(t *testing.T) {
	defer runtime.SetDefaultGOMAXPROCS()
	all := runtime.GOMAXPROCS(0)
	g := NewGovernor()
	f := func(during int) {
		t.Helper()
		before := runtime.GOMAXPROCS(0)
		g.Aside(func() {
			assert.Equal(t, during, runtime.GOMAXPROCS(0))
			g.Aside(func() { assert.Equal(t, during, runtime.GOMAXPROCS(0)) })
			assert.Equal(t, during, runtime.GOMAXPROCS(0))
		})
		assert.Equal(t, before, runtime.GOMAXPROCS(0))
	}
	f(all)
	g.need(false)
	f(2)
	g.Aside(func() {
		g.need(true)
		assert.Equal(t, all, runtime.GOMAXPROCS(0))
		g.need(false)
	})
	assert.Equal(t, 1, runtime.GOMAXPROCS(0))
	assert.Panics(t, func() { g.Aside(func() { panic("") }) })
	assert.Equal(t, 1, runtime.GOMAXPROCS(0))
	g.need(true)
	f(all)
}
