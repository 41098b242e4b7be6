//go:build linux && e2e

package h2

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFloods(t *testing.T) { floodAll(t, 5, 1000) }

// A server that does what it is told shows faults under each flood.
func TestFloodsAreNoticed(t *testing.T) {
	for _, k := range floods() {
		t.Run(k.name, func(t *testing.T) {
			to, tree := startGullible(t)
			assert.NotEmpty(t, withstands(t, k, k.few, 1, to, tree))
		})
	}
}
