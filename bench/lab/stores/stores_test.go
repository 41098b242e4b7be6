//go:build linux

package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/program"
)

func TestVerdict(t *testing.T) {
	memory, other := &proxy{cpu: []float64{10, 10, 20}}, &proxy{cpu: []float64{12, 11, 40}}
	assert.Equal(t, "1 | ", memory.verdict(memory))
	assert.Equal(t, "1.20 [1.10, 2.00] | bar held", other.verdict(memory))
	other.cpu[1] = 12.1
	assert.Equal(t, "1.21 [1.20, 2.00] | **missed**", other.verdict(memory))
}

func TestBadFlags(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		assert.Equal(t, program.ExitUsage, stores().Run(t.Context(), args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), want)
		assert.Empty(t, stdout.String())
	}
	f("unexpected --rounds 2; want 3 to 100", "--rounds", "2")
	f("unexpected --time 999ms; want 1s to 1m", "--time", "999ms")
	f(`unexpected argument "bolt"; want flags only`, "bolt")
	f("-fast", "--fast")
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Zero(t, stores().Run(t.Context(), []string{"--help"}, &stdout, &stderr))
	code, err := os.ReadFile("main.go")
	require.NoError(t, err)
	flags := regexp.MustCompile(`flags\.\w+\((?:&[\w.]+, )?"(\w+)"`).FindAllSubmatch(code, -1)
	require.Len(t, flags, 3)
	for _, f := range flags {
		assert.Contains(t, stdout.String(), "--"+string(f[1])+" ")
	}
	assert.Empty(t, strings.TrimSpace(stderr.String()))
}
