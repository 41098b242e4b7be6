//go:build linux

package main

import (
	"bufio"
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/program"
)

func TestBadFlags(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		assert.Equal(t, program.ExitUsage, replicas().Run(t.Context(), args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), want)
		assert.Empty(t, stdout.String())
	}
	f("unexpected --buckets 999; want 1000 to 10000000", "--buckets", "999")
	f(`unexpected argument "redis"; want flags only`, "redis")
	f("-fast", "--fast")
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Zero(t, replicas().Run(t.Context(), []string{"--help"}, &stdout, &stderr))
	code, err := os.ReadFile("main.go")
	require.NoError(t, err)
	flags := regexp.MustCompile(`flags\.\w+\((?:&[\w.]+, )?"(\w+)"`).FindAllSubmatch(code, -1)
	require.Len(t, flags, 2)
	for _, f := range flags {
		assert.Contains(t, stdout.String(), "--"+string(f[1])+" ")
	}
	assert.Empty(t, strings.TrimSpace(stderr.String()))
}

func TestPaceBeginsAll(t *testing.T) {
	var begun []int
	n, took := pace(t.Context(), 10_000, 20*time.Millisecond, func(i int) { begun = append(begun, i) })
	assert.Equal(t, 200, n)
	assert.Len(t, begun, 200)
	assert.True(t, slices.IsSorted(begun))
	assert.GreaterOrEqual(t, took, 20*time.Millisecond)
}

func TestReadReply(t *testing.T) {
	f := func(text, want, wantErr string) {
		t.Helper()
		got, err := readReply(bufio.NewReader(strings.NewReader(text)))
		assert.Equal(t, want, got)
		if wantErr == "" {
			assert.NoError(t, err)
			return
		}
		assert.ErrorContains(t, err, wantErr)
	}
	f("+OK\r\n", "OK", "")
	f(":1\r\n", "1", "")
	f("$4\r\na\r\nb\r\n", "a\r\nb", "")
	f("-NOSCRIPT no such script\r\n", "", "NOSCRIPT no such script")
	f("$-1\r\n", "", `unexpected length "-1"`)
	f("$9\r\nshort\r\n", "", "unexpected EOF")
	f("*1\r\n", "", `unexpected reply "*1"`)
	f("\r\n", "", `unexpected reply ""`)
	f("", "", "EOF")
}

func TestRedisVersion(t *testing.T) {
	assert.Equal(t, "7.0.15", redisVersion("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=1\n"))
	assert.Equal(t, "unknown", redisVersion("Valkey\n"))
}

func TestClientsAreAllDifferent(t *testing.T) {
	b := &bed{buckets: 1_000}
	all := b.clients(1_000)
	slices.Sort(all)
	assert.Len(t, slices.Compact(all), 1_000)
	assert.Equal(t, "client-00000999", all[999])
}

func TestQuantiles(t *testing.T) {
	all := []time.Duration{3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond}
	assert.Equal(t, "2 ms", millis(all, 0.5))
	assert.Equal(t, "3 ms", millis(all, 0.99))
	assert.Equal(t, "-", millis(nil, 0.5))
}

func TestLateRoundsMissTheBar(t *testing.T) {
	var text bytes.Buffer
	on := steady{interval: interval{time: time.Second}, early: 3, work: work{took: time.Second}}
	on.row(&text)
	assert.Contains(t, text.String(), "| 0 (3) | 0 | bar held |")
	assert.True(t, on.bar().Held)
	on.late = 1
	text.Reset()
	on.row(&text)
	assert.Contains(t, text.String(), "| **missed** |")
	assert.False(t, on.bar().Held)
}

func TestBusyTimeHasNoIdleTime(t *testing.T) {
	sum, err := parseBusy("cpu  100 10 20 5000 700 1 2 3 50 60\ncpu0 1\n")
	require.NoError(t, err)
	assert.Equal(t, 1360*time.Millisecond, sum)
	for _, text := range []string{"", "cpu 1 2 3\n", "intr 1 2 3 4 5 6 7 8\n", "cpu 1 2 3 4 5 6 7 x\n"} {
		_, err := parseBusy(text)
		assert.ErrorContains(t, err, "/proc/stat", text)
	}
}

func TestProcessesThatEndAreNoUsage(t *testing.T) {
	before := usage{1: time.Second, 2: time.Minute}
	assert.Equal(t, 3*time.Second, usage{1: 3 * time.Second, 3: time.Second}.since(before))
}
