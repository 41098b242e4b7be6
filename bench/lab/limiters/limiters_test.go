//go:build linux

package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/report"
)

// TestMain makes this binary another process if it is started as one.
func TestMain(m *testing.M) {
	if served, err := serveRole(); served {
		exit(err)
	}
	os.Exit(m.Run())
}

// A whole run with tiny numbers has every figure of the table.
func TestSuite(t *testing.T) {
	s := &suite{
		fewClients: 100, manyClients: 1000, allClients: 2000,
		takes: 1000, rounds: 2, quiet: time.Millisecond, reapFor: 10 * time.Millisecond, gcRounds: 2, gcTurns: 2, gcTurn: 200 * time.Millisecond, log: io.Discard,
	}
	folder := filepath.Join(t.TempDir(), "out")
	require.NoError(t, s.run(t.Context(), settings{only: s.names(), folders: report.Folders{All: folder}}))
	page, err := os.ReadFile(filepath.Join(folder, "report.md"))
	require.NoError(t, err)
	for _, figure := range []string{
		"Take, 100 clients / bare loop", "Take, 100 clients / golang.org/x/time/rate", "Take refused", "allocations a take",
		"Take, 1k clients / bare loop", "one hot key", "bytes a bucket, 16-byte keys, 1k", "bytes a bucket, 16-byte keys, 2k",
		"p99.999, ms", "longest, ms", "idle buckets are reaped: longest, ms", "p99.9 of proxied requests",
	} {
		assert.Contains(t, string(page), figure)
	}
	for _, r := range s.rows {
		for _, v := range r.measured {
			assert.False(t, math.IsNaN(v) || math.IsInf(v, 0), "%s: %v", r.figure, v)
		}
	}
	assert.Len(t, s.bars(), len(s.rows))
	_, err = parse([]string{"--only", "hot,nonsense"})
	require.ErrorContains(t, err, `unexpected part "nonsense" in --only; want some of hot,cold,`)
}

// The contestants do limit: one token is spent once.
func TestOursRefuses(t *testing.T) {
	take, err := openOurs(stingy())
	require.NoError(t, err)
	assert.True(t, take("a"))
	assert.False(t, take("a"))
}

func TestHistogramIsALittleOff(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 63, 64, 65, 127, 128, 129, 999, 1000, 123_456_789, time.Hour} {
		assert.LessOrEqual(t, least(class(d)), d)
		assert.Greater(t, least(class(d)+1), d)
		assert.LessOrEqual(t, least(class(d)+1)-least(class(d)), max(1, d/perOctave))
	}
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	assert.InEpsilon(t, 500*time.Microsecond, h.quantile(0.5), 0.02)
	assert.InEpsilon(t, 999*time.Microsecond, h.quantile(0.999), 0.02)
	assert.Equal(t, 1000*time.Microsecond, h.Longest)
	assert.Equal(t, h.Longest, h.quantile(1))

	var slow histogram
	slow.add(time.Second)
	assert.Equal(t, time.Second, mixed(&h, &slow, 0.01, 0.999))
	assert.InEpsilon(t, 990*time.Microsecond, mixed(&h, &slow, 0.01, 0.98), 0.02)
}

func TestVerdict(t *testing.T) {
	f := func(want string, measured ...float64) {
		t.Helper()
		assert.Equal(t, want, row{"x", "<= 1.15", "<= 1.0", measured}.verdict())
	}
	f("aim met", 0.9, 1, 3)
	f("bar met", 1.1)
	f("**missed**", 1.2, 1.1, 1.3)
	assert.Equal(t, "bar met", row{"x", "0", "", []float64{0}}.verdict())
	assert.Equal(t, "1.1 [1, 3]", spread([]float64{3, 1, 1.1}))
	assert.True(t, strings.HasPrefix(number(123.4), "123"))
}
