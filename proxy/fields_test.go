package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestFields(t *testing.T) {
	const raw = "Host: a\r\nB:c\r\nB: \t d, e \t\r\nEmpty:\r\n\r\n"
	want := [][2]string{{"Host", "a"}, {"B", "c"}, {"B", "d, e"}, {"Empty", ""}}
	var forth, back [][2]string
	f := fields{rest: []byte(raw)}
	for f.next() {
		forth = append(forth, [2]string{string(f.name), string(f.value())})
		assert.True(t, strings.HasSuffix(string(f.line), "\r\n"))
	}
	assert.Equal(t, want, forth)
	assert.Empty(t, f.rest)
	f = fields{rest: []byte(raw)}
	for f.previous() {
		back = append([][2]string{{string(f.name), string(f.value())}}, back...)
	}
	assert.Equal(t, want, back)
}

func TestFieldsOfNothing(t *testing.T) {
	for _, raw := range []string{"", "\r\n", "\n"} {
		assert.False(t, (&fields{rest: []byte(raw)}).next(), "%q", raw)
		assert.False(t, (&fields{rest: []byte(raw)}).previous(), "%q", raw)
	}
}

func TestIsToken(t *testing.T) {
	const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		assert.Equal(t, strings.IndexByte(tchar, byte(c)) >= 0, isToken([]byte{byte(c)}), "%q", c)
	}
	assert.False(t, isToken(nil))
	assert.True(t, isToken([]byte("X-Api_Key.1")))
	assert.False(t, isToken([]byte("X-Api Key")))
}

// Eight bytes at a time find what one at a time finds.
func TestIsFieldValue(t *testing.T) {
	for c := range 256 {
		want := c == '\t' || c >= ' ' && c != 0x7f
		for i := range 16 {
			value := []byte("caf\xe9\tau lait \x80\xff ")
			value[i] = byte(c)
			require.Equal(t, want, isFieldValue(value), "%q", value)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SliceOf(rapid.SampledFrom([]byte("\x00\x1f \t\x7e\x7f\x80\x81\x9f\xff"))).Draw(t, "value")
		require.Equal(t, isFieldText(value), isFieldValue(value))
	})
}

func TestSameName(t *testing.T) {
	f := func(want bool, a, b string) {
		t.Helper()
		assert.Equal(t, want, sameName([]byte(a), []byte(b)))
		assert.Equal(t, want, is([]byte(a), strings.ToLower(b)))
	}
	f(true, "", "")
	f(true, "X-Api_Key", "x-aPI_kEY")
	f(false, "a", "aa")
	f(false, "a", "b")
	f(false, "a-b", "a_b")
	f(false, "@", "`")
	f(false, "[", "{")
}
