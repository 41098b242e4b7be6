//go:build linux && e2e

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/report"
)

// TestTheSuite runs the whole suite, with all the peers that this machine has.
func TestTheSuite(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s := tiny(t)
	var out screen
	require.NoError(t, compare(t.Context(), s, &out), out.text.String())
	alone(t, tmp)

	text, err := os.ReadFile(filepath.Join(s.folders.All, jsonFile))
	require.NoError(t, err)
	var r report.Report
	require.NoError(t, json.Unmarshal(text, &r))
	assert.Empty(t, r.Mismatches())
	for _, note := range r.Notes {
		assert.Regexp(t, "not installed|system calls", note)
	}
	assert.Len(t, r.Cells, cells(t))
	for _, c := range r.Cells {
		t.Run(c.Proxy+", "+string(c.Limiter)+", "+c.Load.String(), func(t *testing.T) { filled(t, s, r, c) })
	}
	for _, i := range r.Idle {
		assert.Positive(t, i.Base, i.Proxy)
	}
	assert.Len(t, r.Idle, 3*len(has("nginx", "haproxy"))+4) // with us, and the byte pump without TLS
	bars(t, r)
	page(t, s.folders.All, r)
	kept(t, s.folders.Kept)
}

// has returns the installed ones of the programs.
func has(programs ...string) (there []string) {
	for _, program := range programs {
		for _, path := range []string{program, "/usr/sbin/" + program} {
			if _, err := exec.LookPath(path); err == nil {
				there = append(there, program)
				break
			}
		}
	}
	return there
}

// cells is how many cells the report must have on this machine.
func cells(t *testing.T) int {
	t.Helper()
	others := len(has("nginx", "haproxy"))
	off, one, random := 5+2*others, 1+others, 3+2*others // variants included, the base line in off
	rate, shakes, streams := off+random, 1+others, len(has("h2load"))*(1+others)
	if len(has("wrk")) == 0 {
		return rate + shakes + streams
	}
	store, large, step := 1, 1, 2+others
	// New connections and TLS have no variants.
	return off + one + random + store + large + rate + step + (3 + others) + (1 + others) + shakes + streams
}

// filled checks that a cell has all its figures, and that they add up.
func filled(t *testing.T, s settings, r report.Report, c *report.Cell) {
	rounds := s.rounds
	if c.Role == peers.Base || c.Role == peers.Floor {
		rounds = 1 // of two
	}
	require.Len(t, c.Runs, rounds, "%v", r.Notes)
	for _, run := range c.Runs {
		assert.Positive(t, run.Answered)
		assert.Zero(t, run.Failures())
		if c.Load.After > 0 {
			assert.LessOrEqual(t, run.WarmUp.Answered, int64(300), "200/s for 1.1 s")
		}
		if c.Load.Rate > 0 || c.Load.TLS && c.Load.New { // nothing is left open, so they must be equal
			assert.Equal(t, run.Answered, run.Counted)
		}
		assert.Equal(t, c.Logs, run.Logged > 0)
	}
	require.NotNil(t, c.Summary)
	for _, at := range append(c.Summary.Latency, c.Summary.Rate, c.Summary.P50, c.Summary.P90, c.Summary.P99, c.Summary.P999) {
		ordered(t, at)
	}
	if c.Role == peers.Base {
		return
	}
	ordered(t, *c.Summary.CPU)
	ordered(t, *c.Summary.Peak)
	if c.Role != peers.Floor && len(has("nginx", "haproxy")) > 0 {
		within(t, *c.Summary.Ratio)
	}
	if c.Load == s.shapes[0].Shape && !strings.Contains(strings.Join(r.Notes, "\n"), "system calls") {
		require.NotNil(t, c.Syscalls)
		assert.Greater(t, *c.Syscalls, 1.0)
	}
}

func ordered(t *testing.T, s report.Spread) {
	t.Helper()
	assert.Positive(t, s.Min)
	assert.LessOrEqual(t, s.Min, s.Median)
	assert.LessOrEqual(t, s.Median, s.Max)
}

func within(t *testing.T, r report.Ratio) {
	t.Helper()
	ordered(t, report.Spread{Median: r.Value, Min: r.Min, Max: r.Max})
}

// bars checks that there is every bar that has a peer to compare with, with the figures of the
// cells.
func bars(t *testing.T, r report.Report) {
	t.Helper()
	closed := len(has("wrk"))
	want := 2*(closed+1) + 3 // the access log's, and the idle connections', by each wire
	want += 4 * closed       // the store's, that of many routes, and two of the step
	if len(has("nginx", "haproxy")) > 0 {
		want += 2*(closed+1) + closed + len(has("h2load")) // by TLS there is no bare one
	}
	want += (3 + closed) * len(has("nginx")) // p99 at the rate and of the closed loop, p99.9, and handshakes
	assert.Len(t, r.Bars, want)
	for _, b := range r.Bars {
		assert.Equal(t, []bool{b.Value <= b.Most, b.Value <= b.Aim}, []bool{b.Held, b.Reached}, b.Figure)
		if b.Unit != "" {
			continue // a few connections may need no more resident memory
		}
		within(t, b.Ratio)
		if b.Figure == "CPU per request, as shipped" {
			assert.True(t, slices.ContainsFunc(r.Cells, func(c *report.Cell) bool {
				return c.Proxy == peers.Equalizer && b.Under == c.Load.String()+"; limiter "+string(c.Limiter) && c.Summary.Ratio.Value == b.Value
			}), b.Under)
		}
	}
}

// page checks that the Markdown has a row for every cell and no empty column, and that its plots
// are there.
func page(t *testing.T, dir string, r report.Report) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, markdownFile))
	require.NoError(t, err)
	rows := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| off |") || strings.HasPrefix(line, "| 1 key |") || strings.HasPrefix(line, "| 1M keys |") {
			rows++
			assert.NotRegexp(t, `\|\s*\||did not run`, line)
		}
	}
	assert.Equal(t, len(r.Cells), rows)
	assert.Contains(t, string(text), fmt.Sprintf("%d of %d bars are held", r.Held(), len(r.Bars)))
	for _, b := range r.Bars {
		assert.Contains(t, string(text), fmt.Sprintf("\n| %s | %s | ", b.Title(), b.Under))
	}
	for name := range r.Plots() {
		assert.Contains(t, string(text), "("+name+")")
		assert.FileExists(t, filepath.Join(dir, name))
	}
}

// kept checks that the kept files are small.
func kept(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	most := map[string]int64{"README.md": 16 << 10, "bars.json": 12 << 10, report.OverviewPlot: 24 << 10}
	require.Len(t, files, len(most))
	for _, file := range files {
		info, err := file.Info()
		require.NoError(t, err)
		assert.Positive(t, info.Size())
		assert.LessOrEqual(t, info.Size(), most[file.Name()], file.Name())
	}
}
