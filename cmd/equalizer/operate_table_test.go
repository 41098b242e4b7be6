package main

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	f := func(want, text string) {
		t.Helper()
		assert.Equal(t, want, printable(text))
	}
	f("", "")
	f(`a "b" \ é 東 <c>`, `a "b" \ é 東 <c>`)
	f(`\x1B[31m`, "\x1b[31m")
	f(`a\x09b\x0Ac`, "a\tb\nc")
	f(`\xC2\x9B2J`, "\u009b2J") // A control of terminals, in UTF-8.
	f(`\x9B\xFF`, "\x9b\xff")
	f(`\xE2\x80\xAEa`, "\u202ea") // It would turn the text around.
	f(`\xEF\xBF\xBD`, "\ufffd")

	// It stays one cell of one line.
	lines := strings.Split(table{{"A", "B"}, {"a\tb\n\x1bc", "d"}}.String(), "\n")
	assert.Equal(t, []string{"A                B", `a\x09b\x0A\x1Bc  d`, ""}, lines)
}

func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b\u009b\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range printable(text) {
			require.True(t, unicode.IsPrint(r), "%q", r)
		}
	})
}
