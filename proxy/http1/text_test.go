package http1

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestIsToken(t *testing.T) {
	const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for c := range 256 {
		assert.Equal(t, strings.IndexByte(tchar, byte(c)) >= 0, IsToken([]byte{byte(c)}), "%q", c)
	}
	assert.False(t, IsToken(nil))
	assert.True(t, IsToken([]byte("X-Api_Key.1")))
	assert.False(t, IsToken([]byte("X-Api Key")))
}

// Eight bytes at a time find what one at a time finds.
func TestIsFieldValue(t *testing.T) {
	for c := range 256 {
		want := c == '\t' || c >= ' ' && c != 0x7f
		for i := range 16 {
			value := []byte("caf\xe9\tau lait \x80\xff ")
			value[i] = byte(c)
			require.Equal(t, want, IsFieldValue(value), "%q", value)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SliceOf(rapid.SampledFrom([]byte("\x00\x1f \t\x7e\x7f\x80\x81\x9f\xff"))).Draw(t, "value")
		require.Equal(t, isFieldText(value), IsFieldValue(value))
	})
}

func TestSameName(t *testing.T) {
	f := func(want bool, a, b string) {
		t.Helper()
		assert.Equal(t, want, SameName([]byte(a), []byte(b)))
		assert.Equal(t, want, Is([]byte(a), strings.ToLower(b)))
	}
	f(true, "", "")
	f(true, "X-Api_Key", "x-aPI_kEY")
	f(false, "a", "aa")
	f(false, "a", "b")
	f(false, "a-b", "a_b")
	f(false, "@", "`")
	f(false, "[", "{")
}
