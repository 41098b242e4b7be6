//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/program"
)

// made are results with these p99s, by the way's name; 100 ms each for the others.
func made(p99s map[string][]float64) (all []*result) {
	all = newResults()
	for _, r := range all {
		own := p99s[r.name]
		if own == nil {
			own = []float64{100, 100, 100}
		}
		for _, p99 := range own {
			r.runs = append(r.runs, run{p99: p99, failures: 1, backends: []seen{{20, 50, 130}, {20, 50, 130}, {5, 500, 900}, {20, 50, 130}, {20, 50, 130}}})
		}
	}
	return all
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	printTable(&out, made(map[string][]float64{
		"round_robin": {1000, 500, 1000}, "p2c": {110, 120, 100}, "peak_ewma": {350, 100, 400},
	}))
	assert.Contains(t, out.String(), "| round_robin | 1000 ms | 1.00 | 10.00 |  | [20 20 5 20 20] | 3 |\n")
	assert.Contains(t, out.String(), "| p2c | 110 ms | 0.11 | 1.10 | held |")
	assert.Contains(t, out.String(), "| peak_ewma | 350 ms | 0.35 | 3.50 | **missed**: want 0.3 and 1.1 |", "each ratio is of one round")
	assert.Contains(t, out.String(), "| HAProxy leastconn | 100 ms | 0.10 | 1.00 |  |")
}

func TestMedian(t *testing.T) {
	assert.Equal(t, 2., median([]float64{3, 1, 2}))
	assert.Equal(t, 1., median([]float64{2, 1}))
	assert.Equal(t, 7., median([]float64{7}))
}

func TestPlots(t *testing.T) {
	into := t.TempDir()
	for _, r := range made(nil) {
		require.NoError(t, draw(r, settings{rate: 100, time: 10 * time.Second, into: into}))
	}
	files, err := filepath.Glob(filepath.Join(into, "*.svg"))
	require.NoError(t, err)
	assert.Len(t, files, len(ways))
	plot, err := os.ReadFile(filepath.Join(into, "haproxy.svg"))
	require.NoError(t, err)
	assert.Contains(t, string(plot), "100 requests a second; 99 in 100 within 100 ms")
	assert.Contains(t, string(plot), "500, 900 ms")
}

// What the backends served is counted, and forgotten.
func TestBackendsSee(t *testing.T) {
	all := backends{{}, {}}
	for i := range 100 {
		all[1].took = append(all[1].took, time.Duration(100-i)*time.Millisecond)
	}
	assert.Equal(t, []seen{{}, {100, 50.5, 99}}, all.seen())
	all.forget()
	assert.Equal(t, []seen{{}, {}}, all.seen())
}

func TestBadFlags(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		assert.Equal(t, program.ExitUsage, strategies().Run(t.Context(), args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), want)
		assert.Empty(t, stdout.String())
	}
	f("unexpected --rounds 0; want 1 to 100", "--rounds", "0")
	f("unexpected --rate 9; want 10 to 10000", "--rate", "9")
	f("unexpected --time 999ms; want 1s to 10m", "--time", "999ms")
	f(`unexpected argument "p2c"; want flags only`, "p2c")
	f("-fast", "--fast")
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Zero(t, strategies().Run(t.Context(), []string{"--help"}, &stdout, &stderr))
	code, err := os.ReadFile("main.go")
	require.NoError(t, err)
	flags := regexp.MustCompile(`flags\.\w+\((?:&[\w.]+, )?"(\w+)"`).FindAllSubmatch(code, -1)
	require.Len(t, flags, 4)
	for _, f := range flags {
		assert.Contains(t, stdout.String(), "--"+string(f[1])+" ")
	}
	assert.Empty(t, stderr.String())
}
