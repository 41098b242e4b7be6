package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Flags about the only pool, or the only limit, are refused where the file has several.
func TestFlagsAreForOnePoolAndOneLimit(t *testing.T) {
	const pools = "[pools.a]\nbackends = [\"http://a\"]\n[pools.b]\nbackends = [\"http://b\"]\n[[routes]]\npool = \"a\"\nfallback_pool = \"b\"\n"
	f := func(file, flag, value, want string) {
		t.Helper()
		var out strings.Builder
		err := runCheck([]string{"-c", writeFile(t, file), flag, value}, terminal{stdout: &out, getenv: func(string) string { return "" }})
		require.Error(t, err)
		assert.Contains(t, out.String(), want)
	}
	f(pools, "--backend", "http://c", "pools: --backend is for one pool, and there are several; want the flag, or the file's pools\n")
	f("[pools.a]\nbackends = [\"http://a\"]\n[limits.a]\n[limits.b]\n[[routes]]\nlimits = [\"a\", \"b\"]\n", "--capacity", "5", "limits: ")
}
