package limiter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseRefill(t *testing.T) {
	good := func(text string, want Refill, canonical string) {
		t.Helper()
		got, err := ParseRefill(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, canonical, got.String(), text)
	}
	good("1/1m", Refill{1, time.Minute}, "1/1m")
	good("100/s", Refill{100, time.Second}, "100/1s")
	good("5/10s", Refill{5, 10 * time.Second}, "5/10s")
	good("7/h", Refill{7, time.Hour}, "7/1h")
	good("1/1m30s", Refill{1, 90 * time.Second}, "1/1m30s")
	good("1/24h", Refill{1, 24 * time.Hour}, "1/24h")
	good("1/1h30m", Refill{1, 90 * time.Minute}, "1/1h30m")
	good("1/100ms", Refill{1, 100 * time.Millisecond}, "1/100ms")
	good("1000000/s", Refill{1_000_000, time.Second}, "1000000/1s")
	good("1/1µs", Refill{1, time.Microsecond}, "1/1µs")

	bad := func(text, why string) {
		t.Helper()
		_, err := ParseRefill(text)
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
	for _, seed := range []string{"1/1m", "100/s", "5/10s", "", "/", "-1/s", "1/1h0m0s", "9223372036854775807/h", "1/.5s", "1/1e3s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRefill(text)
		if err != nil {
			return
		}
		require.NoError(t, r.Validate())
		again, err := ParseRefill(r.String())
		require.NoError(t, err, "what String writes is read")
		require.Equal(t, r, again)
		require.GreaterOrEqual(t, r.Cost(), int64(1000))
	})
}

func TestCostIsRoundedUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRefill(t)
		exact := float64(r.Per) / float64(r.Amount)
		assert.GreaterOrEqual(t, float64(r.Cost()), exact*(1-1e-15))
		assert.Less(t, float64(r.Cost()), exact*(1+1e-15)+1)
	})
}

func TestSettingsValidate(t *testing.T) {
	require.NoError(t, Settings{1, Refill{1, time.Minute}}.Validate())
	require.NoError(t, Settings{maxSpan / 1000, Refill{1_000_000, time.Second}}.Validate())

	bad := func(s Settings, why string) {
		t.Helper()
		err := s.Validate()
		require.ErrorIs(t, err, ErrSettings)
		assert.ErrorContains(t, err, why)
	}
	bad(Settings{0, Refill{1, time.Minute}}, "capacity 0 is below 1")
	bad(Settings{10, Refill{}}, "amount 0 is below 1")
	bad(Settings{maxSpan/1000 + 1, Refill{1_000_000, time.Second}}, "capacity 2305843009213694 with refill 1000000/1s")
	bad(Settings{1_000_000_000, Refill{1, 24 * time.Hour}}, "capacity 1000000000 with refill 1/24h")
}

// anyRefill draws from everything that Validate accepts.
func anyRefill(t *rapid.T) Refill {
	per := rapid.OneOf(
		rapid.SampledFrom([]int64{1000, int64(time.Second), int64(time.Minute), int64(time.Hour)}),
		rapid.Int64Range(1000, int64(20000*time.Hour)),
	).Draw(t, "per")
	return Refill{rapid.Int64Range(1, per/1000).Draw(t, "amount"), time.Duration(per)}
}

func anySettings(t *rapid.T) Settings {
	r := anyRefill(t)
	most := maxSpan / r.Cost()
	return Settings{rapid.OneOf(rapid.Int64Range(1, min(most, 100)), rapid.Int64Range(1, most)).Draw(t, "capacity"), r}
}
