//go:build linux

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/child"
)

// logger prints two lines of requests, one that is none, and one more of a request each time that
// it gets SIGUSR1.
func logger(t *testing.T) (path string, process *child.Process) {
	t.Helper()
	dir := t.TempDir()
	process, err := child.Start(child.Program{Path: "/bin/sh", Args: []string{
		"-c", `trap 'echo "three \"GET /\""' USR1; echo 'one "GET /"'; echo none; echo 'two "GET"'; while :; do sleep 0.01; done`,
	}, Dir: dir})
	require.NoError(t, err)
	t.Cleanup(process.Stop)
	return filepath.Join(dir, "output.log"), process
}

func TestAccessLogSinceForget(t *testing.T) {
	path, process := logger(t)
	log := accessLog{path: path, process: process}
	lines, err := log.atLeast(t.Context(), 2)
	require.NoError(t, err)
	assert.EqualValues(t, 2, lines)
	require.NoError(t, log.forget())
	lines, err = log.atLeast(t.Context(), 0)
	require.NoError(t, err)
	assert.Zero(t, lines)

	// A signal flushes the buffer.
	log.flush = syscall.SIGUSR1
	lines, err = log.atLeast(t.Context(), 1)
	require.NoError(t, err)
	assert.Positive(t, lines)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "three", string(text[:5])) // at the file's start, without a hole
}

func TestAccessLogThatLacksLines(t *testing.T) {
	path, process := logger(t)
	log := accessLog{path: path, process: process}
	_, err := log.atLeast(t.Context(), 3)
	assert.ErrorContains(t, err, "its access log has 2 lines; want at least 3")
	log.path += "-not"
	assert.NoError(t, log.forget())
}
