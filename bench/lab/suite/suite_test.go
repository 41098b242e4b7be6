//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
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

// tiny has every kind of measurement, each as short as possible.
func tiny(t *testing.T) settings {
	return settings{
		command: "make bench", folders: report.Folders{All: filepath.Join(t.TempDir(), "out"), Kept: filepath.Join(t.TempDir(), "kept")}, variantsEvery: 1,
		rounds: 2, time: 100 * time.Millisecond, warmUp: 100 * time.Millisecond, fill: 100 * time.Millisecond, idle: 20,
		shapes: []shape{
			{Shape: load.Shape{Connections: 8, Size: load.Small}, keys: every(), variants: append(lean(), peers.InMemory, peers.Large), calls: true},
			{Shape: load.Shape{Rate: 300, Size: load.Small}, keys: []load.Key{load.NoKey, load.RandomKeys}, variants: lean()},
			{Shape: load.Shape{Connections: 4, Size: load.Small, After: 200}, keys: []load.Key{load.RandomKeys}, variants: []string{peers.Wide}},
			{Shape: load.Shape{Connections: 2, Size: load.Ten, New: true}, keys: []load.Key{load.NoKey}},
			{Shape: load.Shape{Connections: 2, Size: load.Small, TLS: true}, keys: []load.Key{load.RandomKeys}},
			{Shape: load.Shape{Connections: 2, Size: load.Small, TLS: true, New: true}, keys: []load.Key{load.RandomKeys}},
			{Shape: load.Shape{Connections: 2, Streams: 2, Size: load.Small, TLS: true}, keys: []load.Key{load.OneKey}},
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

// alone checks that the suite has left no process and no folder behind.
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

// A peer that doesn't start is a line of the report, and the rest still runs. Ctrl-C ends the whole
// suite.
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
	assert.Equal(t, 5, strings.Count(out.text.String(), "broken"), "once for each mode of the limiter, in two of them without its log, too")
	assert.Contains(t, out.text.String(), "run 2 of")
	assert.NoDirExists(t, s.folders.All)
	assert.NoDirExists(t, s.folders.Kept)
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
	c := comparison{settings: settings{folders: report.Folders{All: filepath.Join(file, "out")}}, progress: newProgress(&screen{})}
	assert.ErrorContains(t, c.write(report.Report{}), "not a directory")
}
