package limiter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestStoredTimeRoundsUp(t *testing.T) {
	exact := time.Date(2026, 11, 23, 7, 21, 2, 411_000, time.UTC)
	assert.Equal(t, exact, storedTime(exact))
	assert.Equal(t, exact.Add(time.Microsecond), storedTime(exact.Add(1)))
	assert.Equal(t, exact.Add(time.Microsecond), storedTime(exact.Add(999)))
}
