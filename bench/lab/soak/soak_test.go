//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/program"
	shared "gopher-equalizer/bench/lab/report"
)

// TestMain makes this test binary the backend, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == backendMode {
		panic(serveBackend())
	}
	os.Exit(m.Run())
}

func TestJudge(t *testing.T) {
	f := func(change func(*report), want ...string) {
		t.Helper()
		held := sample{Resident: 40 << 20, Files: 10, Goroutines: 20}
		r := &report{Fresh: held, Warm: held, After: held, Settled: held, IsSettled: true, Samples: []sample{held, held, held, held, held}}
		for _, k := range kinds() {
			r.Tallies = append(r.Tallies, &tally{kind: k})
			r.tally(k.name).exchanges.Store(100)
		}
		r.tally("limited").admitted.Store(1)
		r.tally("limited").limited.Store(1)
		change(r)
		r.judge()
		assert.Equal(t, want, r.Wrong)
	}
	f(func(*report) {})
	f(func(r *report) { r.After.Resident = 55 << 20; r.Samples[4].Resident = 55 << 20 })
	f(func(r *report) { r.After.Resident = 59 << 20 }, "61.9 MB of memory after the load; want it near the 41.9 MB after the warm-up")
	f(func(r *report) { r.Samples[4].Resident = 59 << 20 }, "61.9 MB of memory in the last fifth of the load; want it near the 41.9 MB in the first")
	f(func(r *report) { r.IsSettled = false; r.Settled.Goroutines = 21 },
		"10 file descriptors and 21 goroutines at the end; want 10 and 20 at most, as before the load")
	f(func(r *report) { r.tally("slow").exchanges.Store(0) }, "slow: there were no exchanges")
	f(func(r *report) { r.tally("limited").limited.Store(0) }, "limited: 1 were answered with 200 and 0 with 429; want some of both")
	f(func(r *report) {
		r.tally("new").note(errors.New("first"))
		r.tally("new").note(errors.New("second"))
	}, "new: 2 of 102 exchanges went wrong, the first: first")
}

func (r *report) tally(name string) *tally {
	for _, t := range r.Tallies {
		if t.name == name {
			return t
		}
	}
	return nil
}

func TestParse(t *testing.T) {
	s, err := parse(nil)
	require.NoError(t, err)
	assert.Equal(t, 30*time.Minute, s.time)
	assert.Equal(t, time.Minute, s.warmUp)
	assert.Equal(t, names(kinds()), names(s.mix))
	assert.Equal(t, shared.FoldersOf("soak", false), s.folders)

	s, err = parse([]string{"--time", "20s", "--mix", "slow,small", "--results"})
	require.NoError(t, err)
	assert.Equal(t, 5*time.Second, s.warmUp)
	assert.Equal(t, []string{"slow", "small"}, names(s.mix))
	assert.Equal(t, shared.FoldersOf("soak", true), s.folders)
	assert.Equal(t, `make soak ARGS="--time 20s --mix slow,small --results"`, s.command)

	bad := func(want string, args ...string) {
		t.Helper()
		_, err := parse(args)
		assert.ErrorContains(t, err, want)
	}
	bad(`unexpected kind "fast" in --mix; want some of small,new,`, "--mix", "small,fast")
	bad("unexpected --time 1s; want 10s to 24h", "--time", "1s")
	bad(`unexpected argument "x"; want flags only`, "x")

	var out, errs bytes.Buffer
	assert.Zero(t, soaking().Run(t.Context(), []string{"--help"}, &out, &errs))
	assert.Contains(t, out.String(), "default all: small,new,")
	assert.Equal(t, program.ExitUsage, soaking().Run(t.Context(), []string{"x"}, &out, &errs))
	assert.Contains(t, errs.String(), "want flags only")
}
