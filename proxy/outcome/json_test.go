package outcome

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checkText checks that a text is written as JSON that reads back the same, on one line, and does
// nothing to a terminal.
func checkText(t *testing.T, text string) {
	t.Helper()
	quoted := string(appendText(nil, "", text))
	for _, c := range []byte(quoted) {
		require.True(t, c >= ' ' && c != 0x7f, "%q", quoted)
	}
	var got string
	require.NoError(t, json.Unmarshal([]byte(quoted), &got), "%q", quoted)
	require.Equal(t, string([]rune(text)), got) // What isn't UTF-8 is U+FFFD there, too.
}

// Each byte is escaped, or not, wherever it stands.
func TestTextIsEscaped(t *testing.T) {
	for length := 1; length <= 20; length++ {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("a", length))
				text[at] = byte(c)
				plain := c >= ' ' && c <= '~' && c != '"' && c != '\\'
				require.Equal(t, plain, isPlain(string(text)), "%q", text)
				checkText(t, string(text))
			}
		}
	}
	checkText(t, "")
}

func FuzzText(f *testing.F) {
	f.Add("a\"\\\x00\x7f\xff é \U0001f600 \n and more")
	f.Fuzz(checkText)
}

func TestDurationsAreSeconds(t *testing.T) {
	f := func(want string, d time.Duration) {
		t.Helper()
		assert.Equal(t, want, string(appendDuration(nil, "", d)))
	}
	f("", 0)
	f("", -1)
	f("0.000000001", 1)
	f("0.000123456", 123456)
	f("0.1", 100*time.Millisecond)
	f("1", time.Second)
	f("3600.05", time.Hour+50*time.Millisecond)
}
