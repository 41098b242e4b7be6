package gcra_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/gcra/gcratest"
)

func TestParseRefill(t *testing.T) {
	good := func(text string, want gcra.Refill, canonical string) {
		t.Helper()
		got, err := gcra.ParseRefill(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, canonical, got.String(), text)
	}
	good("1/1m", gcra.Refill{Amount: 1, Per: time.Minute}, "1/1m")
	good("100/s", gcra.Refill{Amount: 100, Per: time.Second}, "100/1s")
	good("5/10s", gcra.Refill{Amount: 5, Per: 10 * time.Second}, "5/10s")
	good("7/h", gcra.Refill{Amount: 7, Per: time.Hour}, "7/1h")
	good("1/1m30s", gcra.Refill{Amount: 1, Per: 90 * time.Second}, "1/1m30s")
	good("1/24h", gcra.Refill{Amount: 1, Per: 24 * time.Hour}, "1/1d")
	good("1/d", gcra.Refill{Amount: 1, Per: 24 * time.Hour}, "1/1d")
	good("1/25h", gcra.Refill{Amount: 1, Per: 25 * time.Hour}, "1/25h")
	good("1000/30d", gcra.Refill{Amount: 1000, Per: 720 * time.Hour}, "1000/30d")
	good("1/w", gcra.Refill{Amount: 1, Per: 168 * time.Hour}, "1/7d")
	good("5/2w", gcra.Refill{Amount: 5, Per: 336 * time.Hour}, "5/14d")
	good("1/1w1d", gcra.Refill{Amount: 1, Per: 192 * time.Hour}, "1/8d")
	good("1/1d12h", gcra.Refill{Amount: 1, Per: 36 * time.Hour}, "1/36h")
	good("1/1w2d3h4m", gcra.Refill{Amount: 1, Per: 219*time.Hour + 4*time.Minute}, "1/219h4m")
	good("1/106751d", gcra.Refill{Amount: 1, Per: 106751 * 24 * time.Hour}, "1/106751d")
	good("1/1h30m", gcra.Refill{Amount: 1, Per: 90 * time.Minute}, "1/1h30m")
	good("1/100ms", gcra.Refill{Amount: 1, Per: 100 * time.Millisecond}, "1/100ms")
	good("1000000/s", gcra.Refill{Amount: 1_000_000, Per: time.Second}, "1000000/1s")
	good("1/1µs", gcra.Refill{Amount: 1, Per: time.Microsecond}, "1/1µs")

	bad := func(text, why string) {
		t.Helper()
		_, err := gcra.ParseRefill(text)
		require.ErrorContains(t, err, why)
		assert.ErrorContains(t, err, "want AMOUNT/DURATION")
	}
	bad("", "no slash")
	bad("10", "no slash")
	bad("/1m", `"" is not a whole number`)
	bad("+1/1m", `"+1" is not a whole number`)
	bad("1.5/1m", `"1.5" is not a whole number`)
	bad(" 1/1m", "is not a whole number")
	bad("99999999999999999999/1m", "is not a whole number")
	bad("1/", `"" is not a duration`)
	bad("1/1", `"1" is not a duration`)
	bad("1/minute", `is not a duration`)
	bad("1/1.5d", `"1.5d" is not a duration`)
	bad("1/-1d", `"-1d" is not a duration`)
	bad("1/1d-1h", `"1d-1h" is not a duration`)
	bad("1/1h1d", `"1h1d" is not a duration`)
	bad("1/1d1w", `"1d1w" is not a duration`)
	bad("1/1d1d", `"1d1d" is not a duration`)
	bad("1/1d1", `"1d1" is not a duration`)
	bad("1/1M", `"1M" is not a duration`)
	bad("1/106752d", `"106752d" is not a duration`)
	bad("1/15250w2d", `"15250w2d" is not a duration`)
	bad("1/15251w", `"15251w" is not a duration`)
	bad("1/0d1", `"0d1" is not a duration`)
	bad("1/106751d24h", `"106751d24h" is not a duration`)
	bad("1/99999999999999999999d", `is not a duration`)
	bad("1/0d", "duration 0s is not above 0")
	bad("1/1m/2", `is not a duration`)
	bad("0/1m", "amount 0 is below 1")
	bad("-1/1m", "amount -1 is below 1")
	bad("1/0s", "duration 0s is not above 0")
	bad("1/-1s", "duration -1s is not above 0")
	bad("1000001/s", "faster than 1000000 tokens a second")
	bad("1/999ns", "faster than 1000000 tokens a second")
	bad("9223372036854775807/2000h", "faster than 1000000 tokens a second")
}

func FuzzParseRefill(f *testing.F) {
	for _, seed := range []string{"1/1m", "100/s", "5/10s", "", "/", "-1/s", "1/1h0m0s", "9223372036854775807/h", "1/.5s", "1/1e3s", "1/1w2d3h", "1/d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := gcra.ParseRefill(text)
		if err != nil {
			return
		}
		require.NoError(t, r.Validate())
		again, err := gcra.ParseRefill(r.String())
		require.NoError(t, err, "what String writes is read")
		require.Equal(t, r, again)
		require.GreaterOrEqual(t, r.Interval(), int64(1000))
	})
}

func TestIntervalIsRoundedUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := gcratest.Refill(t)
		exact := float64(r.Per) / float64(r.Amount)
		assert.GreaterOrEqual(t, float64(r.Interval()), exact*(1-1e-15))
		assert.Less(t, float64(r.Interval()), exact*(1+1e-15)+1)
	})
}
