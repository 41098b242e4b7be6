//go:build e2e

package postgres

import "testing"

func TestALedgerThroughOtherPoolers(t *testing.T) {
	t.Run("some processes", func(t *testing.T) { pooled(t) })
	t.Run("one process", func(t *testing.T) { pooled(t, "default_pool_size = 1") })
}
