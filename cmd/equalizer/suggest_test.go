package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
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
