package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestUnknownFlags(t *testing.T) {
	world := terminal{stdout: io.Discard}
	f := func(given, meant string) {
		t.Helper()
		_, err := parseOptions("equalizer", []string{given, "x"}, world, 0)
		want := "unknown flag " + given
		if meant != "" {
			want += "; did you mean " + meant + "?"
		}
		assert.EqualError(t, err, want)
	}
	f("--bakend", "--backend")
	f("--backedn", "--backend")
	f("--backends", "--backend")
	f("--back", "--backend")
	f("--Backend", "--backend")
	f("--lisen", "--listen")
	f("--capactiy", "--capacity")
	f("--cap", "--capacity")
	f("--secrets", "--secret")
	f("--config", "-c")
	f("--port", "--listen")
	f("--upstream", "--backend")
	f("--burst", "--capacity")
	f("--rate", "--refill")
	f("--db", "--store")
	f("--adress", "")
	f("--address", "--listen")
	f("--completely-else", "")
	f("-z", "")
	f("--kex", "--key")
}

// The distance is a metric as far as a reader minds, and one keystroke is 1.
func TestDistance(t *testing.T) {
	assert.Equal(t, 0, distance("store", "store"))
	assert.Equal(t, 1, distance("stroe", "store"))
	assert.Equal(t, 2, distance("soter", "store"))
	assert.Equal(t, 5, distance("", "store"))
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringMatching(`[a-c]{0,8}`).Draw(t, "a"), rapid.StringMatching(`[a-c]{0,8}`).Draw(t, "b")
		d := distance(a, b)
		assert.Equal(t, d, distance(b, a))
		assert.Equal(t, d == 0, a == b)
		assert.LessOrEqual(t, d, max(len(a), len(b)))
		at := rapid.IntRange(0, len(a)).Draw(t, "at")
		assert.LessOrEqual(t, distance(a, a[:at]+"x"+a[at:]), 1)
		assert.LessOrEqual(t, distance(a, strings.Replace(a, "a", "z", 1)), 1)
	})
}
