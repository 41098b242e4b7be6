package gcra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

func TestSettingsValidate(t *testing.T) {
	require.NoError(t, gcra.Settings{Capacity: 1, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}.Validate())
	require.NoError(t, gcra.Settings{Capacity: gcra.MaxSpan / 1000, Refill: gcra.Refill{Amount: 1_000_000, Per: time.Second}}.Validate())

	bad := func(s gcra.Settings, why string) {
		t.Helper()
		err := s.Validate()
		require.ErrorIs(t, err, gcra.ErrSettings)
		assert.ErrorContains(t, err, why)
	}
	bad(gcra.Settings{Capacity: 0, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, "capacity 0 is below 1")
	bad(gcra.Settings{Capacity: 10, Refill: gcra.Refill{}}, "amount 0 is below 1")
	bad(gcra.Settings{Capacity: gcra.MaxSpan/1000 + 1, Refill: gcra.Refill{Amount: 1_000_000, Per: time.Second}}, "capacity 1729382256910271 with refill 1000000/1s")
	bad(gcra.Settings{Capacity: 1_000_000_000, Refill: gcra.Refill{Amount: 1, Per: 24 * time.Hour}}, "capacity 1000000000 with refill 1/1d")
}

func TestSettingsCut(t *testing.T) {
	cut := func(capacity int64, refill, want gcra.Refill, wantCapacity int64) {
		t.Helper()
		s := gcra.Settings{Capacity: capacity, Refill: refill}.Cut()
		require.NoError(t, s.Validate())
		assert.Equal(t, gcra.Settings{Capacity: wantCapacity, Refill: want}, s)
	}
	daily := gcra.Refill{Amount: 1, Per: 24 * time.Hour}
	cut(10, daily, daily, 10)
	cut(1_000_000, daily, daily, gcra.MaxSpan/int64(24*time.Hour))
	cut(3, gcra.Refill{Amount: 1, Per: 60 * 365 * 24 * time.Hour}, gcra.Refill{Amount: 1, Per: gcra.MaxSpan}, 1)
}
