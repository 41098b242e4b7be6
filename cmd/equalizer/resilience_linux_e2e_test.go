//go:build e2e && linux

package main

import (
	"testing"
	"time"
)

func TestBackendsKilledOften(t *testing.T) { killedOften(t, 10, 2000) }

func TestBlackHolesInTime(t *testing.T) {
	t.Run("stopped", func(t *testing.T) { blackHole(t, stoppedHole(t), true) })
	t.Run("full backlog", func(t *testing.T) { blackHole(t, fullHole(t), true) })
}

func TestHalfFailsForLong(t *testing.T) { halfFails(t, 1000, 10*time.Second) }

func TestFlappingForLong(t *testing.T) {
	t.Parallel()
	flapping(t, 1000, time.Minute)
}
