package http1

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However chunked is disguised, by what is no letter, by its case or by what stands around it, it
// is never taken for a coding that isn't implemented: some reader may see through that.
func TestDisguisedChunkedStaysAmbiguous(t *testing.T) {
	noise := rapid.StringMatching(`[ !-+\-./:-@\[-` + "`" + `{-~0-9\t]{0,2}`)
	rapid.Check(t, func(t *rapid.T) {
		var coding strings.Builder
		coding.WriteString(rapid.SampledFrom([]string{"", "x", "gzip, ", "identity,", ","}).Draw(t, "before"))
		for _, letter := range "chunk" {
			if rapid.Bool().Draw(t, "upper") {
				letter += 'A' - 'a'
			}
			coding.WriteRune(letter)
			coding.WriteString(noise.Draw(t, "noise"))
		}
		coding.WriteString(rapid.SampledFrom([]string{"", "ed", "ed,", "ed, gzip", "edx", "ED;q=1"}).Draw(t, "behind"))
		value := string(TrimSpace([]byte(coding.String())))
		_, why := parse(t, get("Transfer-Encoding: "+value))
		if strings.EqualFold(value, "chunked") || strings.EqualFold(value, "gzip, chunked") {
			return
		}
		require.NotNil(t, why, "%q", value)
		require.Equal(t, 400, why.Status, "%q", value)
	})
}
