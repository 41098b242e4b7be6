package rewrite

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/identity"
)

// A header that isn't passed on as it came is no key, in any spelling.
func TestHeadersThatAreNoKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[A-Za-z_-]{1,20}`), rapid.SampledFrom([]string{"te", "host", "x-a", "forwarded", "x-real.ip"})).Draw(t, "name")
		if requestKindOf([]byte(name)) != requestEndToEnd {
			_, err := identity.ParseKey("header:"+name, false)
			require.Error(t, err, name)
		}
	})
}
