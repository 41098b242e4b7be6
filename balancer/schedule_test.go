package balancer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/meter"
)

// weighted makes backends named a, b, c ... with those weights.
func weighted(weights ...int) []*Backend {
	var all []*Backend
	for i, w := range weights {
		all = append(all, &Backend{settings: BackendSettings{URL: string(rune('a' + i)), Weight: w}, measures: meter.NewEach[measures]()})
	}
	return all
}

func TestScheduleIsNginxsSmoothOne(t *testing.T) {
	f := func(want string, weights ...int) {
		t.Helper()
		var names []string
		for _, b := range newSchedule(weighted(weights...)) {
			names = append(names, b.URL())
		}
		assert.Equal(t, want, strings.Join(names, " "))
	}
	f("")
	f("a", 1)
	f("a", 3)
	f("a b c", 1, 1, 1)
	f("a a b a c a a", 5, 1, 1)
	f("b a b c a b", 2, 3, 1)
	f("a b a b a", 3, 2)
	f("a b", 2, 2)
	f("a b c a", 100, 50, 50)
}

// genWeights are weights without a common divisor.
func genWeights(t *rapid.T) []int {
	weights, unit := rapid.SliceOfN(rapid.IntRange(1, 100), 1, 12).Draw(t, "weights"), 0
	for _, w := range weights {
		unit = gcd(w, unit)
	}
	for i := range weights {
		weights[i] /= unit
	}
	return weights
}

// Any sum(weights) picks in a row, from wherever they start, hold each backend exactly weight
// times; and a backend that comes every n-th time on average never waits for 3n picks (2.05n is the
// worst we found).
func TestScheduleHoldsEachBackendWeightTimesEvenlySpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		backends := weighted(genWeights(t)...)
		cycle := newSchedule(backends)
		counts, lastSeen := map[*Backend]int{}, map[*Backend]int{}
		for i, b := range append(cycle, cycle...) {
			if i < len(cycle) {
				counts[b]++
			}
			if last, seen := lastSeen[b]; seen {
				assert.LessOrEqual(t, (i-last)*b.settings.Weight, 3*len(cycle), "%s waits from %d to %d", b.URL(), last, i)
			}
			lastSeen[b] = i
		}
		for _, b := range backends {
			assert.Equal(t, b.settings.Weight, counts[b], b.URL())
		}
	})
}
