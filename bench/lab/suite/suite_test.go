//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/report"
)

// tiny is every kind of measurement there is, each as short as can be.
func tiny(t *testing.T) settings {
	return settings{
		command: "make bench", out: filepath.Join(t.TempDir(), "out"),
		rounds: 2, time: 100 * time.Millisecond, warmUp: 10 * time.Millisecond, fill: 100 * time.Millisecond, idle: 20,
		shapes: []shape{
			{Shape: load.Shape{Connections: 8, Size: load.Small}, keys: every(), variants: true, calls: true},
			{Shape: load.Shape{Rate: 300, Size: load.Small}, keys: []load.Key{load.NoKey, load.RandomKeys}, variants: true},
			{Shape: load.Shape{Connections: 2, Size: load.Ten, New: true}, keys: []load.Key{load.NoKey}},
		},
	}
}

// screen is what the suite prints, for a test to look at while it runs.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	seen func(text string)
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if s.seen != nil {
		s.seen(s.text.String())
	}
	return len(p), nil
}

// alone sees that the suite has left no process and no folder behind.
func alone(t *testing.T, tmp string) {
	t.Helper()
	tree, err := measure.TreeOf(os.Getpid())
	require.NoError(t, err)
	assert.Len(t, tree, 1)
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	for _, entry := range left {
		assert.NotContains(t, entry.Name(), "equalizer-bench")
	}
}

// TestTheSuite runs all of it, with all the peers that this machine has.
func TestTheSuite(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s := tiny(t)
	var out screen
	require.NoError(t, compare(t.Context(), s, &out), out.text.String())
	alone(t, tmp)

	text, err := os.ReadFile(filepath.Join(s.out, jsonFile))
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
	assert.Len(t, r.Idle, len(has("nginx", "haproxy"))+3) // with us, twice, and the byte pump
	bars(t, r)
	page(t, s.out, r)
}

// has are those of the programs that are installed.
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

// cells are how many the report must have on this machine.
func cells(t *testing.T) int {
	t.Helper()
	others := len(has("nginx", "haproxy"))
	off, one, random := 3+others, 2+others, 3+others // the variants are in the limiter's; in off, the access log and lean are not
	rate := off + 2 + random
	if len(has("wrk")) == 0 {
		return rate
	}
	return off + 2 + one + random + rate + off
}

// filled sees that a cell has all its figures, and that they add up.
func filled(t *testing.T, s settings, r report.Report, c *report.Cell) {
	rounds := s.rounds
	if c.Role == peers.Base || c.Role == peers.Floor {
		rounds = 1 // of two
	}
	require.Len(t, c.Runs, rounds, "%v", r.Notes)
	for _, run := range c.Runs {
		assert.Positive(t, run.Answered)
		assert.Zero(t, run.Failures())
		if c.Load.Rate > 0 { // nothing is left open: they must be the same
			assert.Equal(t, run.Answered, run.Counted)
		}
		assert.Equal(t, c.Proxy == peers.Logging, run.Logged > 0)
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
	if len(has("nginx", "haproxy")) > 0 {
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

// bars sees that every bar is there for which there was somebody to compare with, and that they are the figures of
// the cells.
func bars(t *testing.T, r report.Report) {
	t.Helper()
	closed := len(has("wrk"))
	want := 2*(closed+1) + 2 // the access log's, and the idle connections', lean ones too
	if len(has("nginx", "haproxy")) > 0 {
		want += closed + 1
	}
	want += len(has("nginx")) // p99 at the rate
	assert.Len(t, r.Bars, want)
	for _, b := range r.Bars {
		assert.Equal(t, []bool{b.Value <= b.Most, b.Value <= b.Aim}, []bool{b.Held, b.Reached}, b.Figure)
		if b.Unit != "" {
			continue // a few connections may fit into what was resident before
		}
		within(t, b.Ratio)
		if b.Figure == "CPU per request" {
			assert.True(t, slices.ContainsFunc(r.Cells, func(c *report.Cell) bool {
				return c.Proxy == peers.Equalizer && b.Under == c.Load.String()+"; limiter "+string(c.Limiter) && c.Summary.Ratio.Value == b.Value
			}), b.Under)
		}
	}
}

// page sees that the Markdown has a row for every cell, that no column is empty, and that its plots
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
		assert.Contains(t, string(text), fmt.Sprintf("\n| %s | %s | ", b.Figure, b.Under))
	}
	for name := range r.Plots() {
		assert.Contains(t, string(text), "("+name+")")
		assert.FileExists(t, filepath.Join(dir, name))
	}
}

// TestAPeerThatDoesNotStart is a line; the rest still runs. And Ctrl-C ends all of it.
func TestAPeerThatDoesNotStart(t *testing.T) {
	tmp, bin := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "nginx"), []byte("#!/bin/sh\necho broken >&2\nexit 1\n"), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", tmp)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out := screen{seen: func(text string) {
		if strings.Contains(text, "round 1 of 2, run 2") {
			interrupt()
		}
	}}
	s := tiny(t)
	assert.ErrorContains(t, compare(ctx, s, &out), "interrupted")
	alone(t, tmp)
	assert.Contains(t, out.text.String(), "bench: nginx, limiter 1 key: left out: nginx ended: broken\n")
	assert.Equal(t, 3, strings.Count(out.text.String(), "broken"), "once for each mode of the limiter")
	assert.Contains(t, out.text.String(), "run 2 of")
	assert.NoDirExists(t, s.out)
}

func TestAPeerThatEndsIsMissedOnce(t *testing.T) {
	var out screen
	c := comparison{progress: newProgress(&out)}
	process, err := child.Start(child.Program{Path: "/bin/sh", Args: []string{"-c", "echo out of memory; sleep 60"}, Dir: t.TempDir()})
	require.NoError(t, err)
	nginx := &target{Peer: peers.Peer{Name: "nginx"}, key: load.NoKey, process: process}
	assert.False(t, c.gone(t.Context(), nginx))
	require.Eventually(t, func() bool { return process.LastWords() == "out of memory" }, 5*time.Second, time.Millisecond)
	process.Stop()
	assert.True(t, c.gone(t.Context(), nginx))
	assert.True(t, c.gone(t.Context(), nginx))
	assert.Equal(t, []string{"nginx, limiter off, ended; it is left out from here on: out of memory"}, c.report.Notes)
	assert.False(t, c.gone(t.Context(), &target{Peer: peers.Peer{Name: "direct"}}))
}

func TestAFolderThatCantBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	c := comparison{settings: settings{out: filepath.Join(file, "out")}, progress: newProgress(&screen{})}
	assert.ErrorContains(t, c.write(report.Report{}), "not a directory")
}
