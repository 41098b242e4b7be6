package http1

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFold(t *testing.T) {
	f := func(name, want string, hyphenated bool) {
		t.Helper()
		folded, got := Fold(make([]byte, 0, 8), []byte(name))
		assert.Equal(t, want, string(folded))
		assert.Equal(t, hyphenated, got, name)
	}
	f("", "", true)
	f("X-Ab-09", "x-ab-09", true)
	f("X_Ab", "x-ab", false)
	f("x.a~b", "x-a-b", false)
	f("caf\xe9", "caf-", false)
	f("12345678_9", "12345678", true)
}

func TestFoldsTo(t *testing.T) {
	for name, want := range map[string]bool{"X-Api-Key": true, "x_API.key": true, "X-Api-Keys": false, "X-Api-Kex": false, "": false} {
		assert.Equal(t, want, FoldsTo([]byte(name), "x-api-key"), name)
	}
}
