package balancer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// Results are + and -, and the finding after each is U or D, in lower case where it did not flip.
func TestHealthFlips(t *testing.T) {
	f := func(rise, fall int, results, want string) {
		t.Helper()
		var h health
		var got strings.Builder
		for _, r := range results {
			flipped := h.observe(r == '+', rise, fall)
			finding := "d"
			if h.up {
				finding = "u"
			}
			if flipped {
				finding = strings.ToUpper(finding)
			}
			got.WriteString(finding)
		}
		assert.Equal(t, want, got.String(), results)
	}
	// The first decides alone, and is told either way.
	f(2, 3, "+", "U")
	f(2, 3, "-", "D")
	f(9, 9, "++++", "Uuuu")
	f(9, 9, "----", "Dddd")
	// Then it takes fall, or rise, in a row.
	f(2, 3, "+---", "UuuD")
	f(2, 3, "-++", "DdU")
	f(1, 1, "+-+-", "UDUD")
	f(3, 1, "+-+++", "UDddU")
	// One of the other kind starts the count again.
	f(2, 3, "+--+--+--", "Uuuuuuuuu")
	f(2, 3, "-+-+-++", "DdddddU")
	// Results from before a flip don't count towards the next.
	f(2, 2, "+--+-++", "UuDdddU")
	f(2, 3, "++++++---", "UuuuuuuuD")
}

func TestHealthIsWhatTheLastRowSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rise, fall := rapid.IntRange(1, 5).Draw(t, "rise"), rapid.IntRange(1, 5).Draw(t, "fall")
		results := rapid.SliceOfN(rapid.Bool(), 1, 60).Draw(t, "results")
		var h health
		for i, ok := range results {
			before := h.up
			flipped := h.observe(ok, rise, fall)
			row := 0
			for j := i; j >= 0 && results[j] == ok; j-- {
				row++
			}
			need := map[bool]int{true: rise, false: fall}[ok]
			switch {
			case i == 0:
				assert.True(t, flipped && h.up == ok)
			case row >= need:
				assert.Equal(t, ok, h.up)
				assert.Equal(t, before != ok, flipped)
			default:
				assert.Equal(t, before, h.up)
				assert.False(t, flipped)
			}
		}
	})
}
