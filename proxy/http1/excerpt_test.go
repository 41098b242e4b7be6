package http1

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExcerpt(t *testing.T) {
	f := func(want, text string, at int) {
		t.Helper()
		assert.Equal(t, want, excerpt([]byte(text), at), "%q at %d", text, at)
	}
	f("xxx: xx\x01xxx\r\n", "Key: 42\x01abc\r\n", 7)
	f("xx=xxxxx\"xxxxxxx", "aaaaaaaaid=secre\"tsofall", 16)
	f("xxxxxxxx", "0123456789", 0)
	f("xxxxxxxx", "0123456789", 10)
	f("x\ufffd\ufffdx", "a\xc3\xa9b", 2)
	f("", "", 0)
	f("", "abc", 1000)
	f("", "abc", -1000)
}

// Of a text there is nothing to be read, whatever it is and wherever the fault.
func FuzzExcerpt(f *testing.F) {
	f.Add([]byte("Authorization: Basic dXNlcjpwYXNz\x00\r\n"), 31)
	f.Add([]byte("g\xc3\xa9heim"), 3)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		shown := excerpt(b, at)
		require.True(t, utf8.ValidString(shown))
		require.LessOrEqual(t, utf8.RuneCountInString(shown), maxExcerpt)
		for _, c := range shown {
			require.True(t, c == 'x' || !unicode.IsLetter(c) && !unicode.IsDigit(c), "%q", shown)
			require.True(t, c < utf8.RuneSelf || c == utf8.RuneError, "%q", shown)
		}
	})
}

// No letter and no digit of a refused message is in its refusal, except in the name of the field.
func FuzzRefusalQuotesNothing(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\nCookie: 5ecr3t\x01\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5ecr3t\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := HeadEnd(b, 0)
		if n == 0 {
			return
		}
		var r Request
		var a Response
		for _, why := range []*Refusal{r.Parse(b[:n]), a.Parse(b[:n])} {
			if why == nil {
				continue
			}
			why.See(b[:n])
			require.GreaterOrEqual(t, why.Offset, 0)
			require.LessOrEqual(t, why.Offset, n)
			require.True(t, why.Field == "" || IsToken([]byte(why.Field)), "%q", why.Field)
			require.Equal(t, strings.Map(masked, why.Excerpt), why.Excerpt)
		}
	})
}

func masked(c rune) rune {
	if unicode.IsLetter(c) || unicode.IsDigit(c) {
		return 'x'
	}
	return c
}
