//go:build linux

package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/load"
)

func TestFlags(t *testing.T) {
	s, err := parse(nil)
	require.NoError(t, err)
	assert.Equal(t, "bench/out/quick", s.out)
	assert.Equal(t, "make bench", s.command)
	assert.Equal(t, 3, s.rounds)
	assert.Len(t, s.shapes, 2)

	s, err = parse([]string{"--full", "--caddy", "--rounds", "2", "--time=200ms", "--results"})
	require.NoError(t, err)
	assert.Equal(t, "bench/results/"+time.Now().Format(time.DateOnly)+"-full", s.out)
	assert.Equal(t, `make bench-full ARGS="--caddy --rounds 2 --time=200ms"`, s.command)
	assert.Equal(t, []any{2, 200 * time.Millisecond, true}, []any{s.rounds, s.time, s.caddy})
}

func TestBadFlags(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(t.Context(), args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), want)
		assert.Empty(t, stdout.String())
	}
	f("unexpected --rounds 0; want 1 to 100", "--rounds", "0")
	f("unexpected --rounds 101", "--rounds", "101")
	f("unexpected --time 99ms; want 100ms to 1m", "--time", "99ms")
	f("unexpected --time 1h0m0s", "--time", "1h")
	f(`unexpected argument "nginx"; want flags only`, "nginx")
	f("-fast", "--fast")
	f("time", "--time", "soon")
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Zero(t, run(t.Context(), []string{"--help"}, &stdout, &stderr))
	assert.Empty(t, stderr.String())
	code, err := os.ReadFile("settings.go")
	require.NoError(t, err)
	flags := regexp.MustCompile(`flags\.\w+\("(\w+)"`).FindAllSubmatch(code, -1)
	require.Len(t, flags, 5)
	for _, f := range flags {
		assert.Contains(t, stdout.String(), "--"+string(f[1])+" ")
	}
}

func TestTheWholeMatrix(t *testing.T) {
	seen := map[load.Shape]bool{}
	limited := 0
	for _, s := range whole().shapes {
		assert.False(t, seen[s.Shape], s)
		seen[s.Shape] = true
		if s.limited {
			limited++
		}
	}
	assert.Len(t, seen, 4*3*2+2*2)
	assert.Equal(t, 4+2, limited)
	for _, s := range quick().shapes {
		assert.True(t, seen[s.Shape], s)
	}
}
