package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The time of lines is that of their millisecond, whatever line came before.
func TestStampsAreInLogTime(t *testing.T) {
	var s stamp
	zone := time.FixedZone("", 3600)
	begin := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)
	for _, after := range []time.Duration{0, 1, 999_999, time.Millisecond, 45 * time.Millisecond, 999*time.Millisecond + 999_999, time.Second, -time.Nanosecond, 24 * time.Hour, 0} {
		at := begin.Add(after)
		want := `"` + at.Format(logTime) + `"`
		assert.Equal(t, want, string(s.append(nil, at)))
		assert.Equal(t, want, string(s.append(nil, at.In(zone))))
	}
	at := begin.Add(time.Hour)
	buf := make([]byte, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = s.append(buf[:0], at) }))
	s.unix.Store(true)
	assert.Equal(t, "1798761599.5", string(s.append(nil, begin.Add(500*time.Millisecond+999))))
}
