package gcra_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/gcra/gcratest"
)

// Rounding the interval up takes less than a thousandth of a refill as it was written.
func TestRoundingTakesLessThanAThousandth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		refill := gcratest.Refill(t)
		// interval * Amount / Per, from 1 to 1.001
		scaled := new(big.Int).Mul(big.NewInt(refill.Interval()), big.NewInt(refill.Amount))
		per := big.NewInt(int64(refill.Per))
		require.GreaterOrEqual(t, scaled.Cmp(per), 0)
		least := new(big.Int).Mul(scaled, big.NewInt(1000))
		require.Negative(t, least.Cmp(new(big.Int).Mul(per, big.NewInt(1001))))
	})
}

func TestWholeIsADivision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := gcra.NewRate(gcratest.Settings(t))
		tokens := rapid.Int64Range(0, r.Capacity-1).Draw(t, "tokens")
		credit := tokens*r.Interval + rapid.OneOf(rapid.Just(int64(0)), rapid.Just(r.Interval-1), rapid.Int64Range(0, r.Interval-1)).Draw(t, "part")
		require.Equal(t, tokens, r.Whole(credit))
		require.Equal(t, r.Capacity, r.Whole(r.Span))
	})
}

func TestTokensNeverStandForMoreThanTheCredit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := gcra.NewRate(gcratest.Settings(t))
		credit := rapid.Int64Range(0, r.Span).Draw(t, "credit")
		back := r.FromTokens(r.Tokens(credit))
		require.LessOrEqual(t, back, credit)
		// What is lost is what a float64 can't hold: 2^-51 of it, and a nanosecond.
		require.LessOrEqual(t, float64(credit-back), float64(r.Span)/(1<<51)+float64(r.Interval)/(1<<51)+1)
	})
	// The nearest float64 stands for 41 ns more than there are.
	r := gcra.NewRate(gcra.Settings{Capacity: 314573957642307, Refill: gcra.Refill{Amount: 1, Per: 3445}})
	const credit = 774273574980212031
	assert.LessOrEqual(t, r.FromTokens(r.Tokens(credit)), int64(credit))

	r = gcra.NewRate(gcra.Settings{Capacity: 15, Refill: gcra.Refill{Amount: 1, Per: time.Minute}})
	for n := range int64(16) {
		assert.Equal(t, float64(n), r.Tokens(n*r.Interval), "whole tokens are exact")
		assert.Equal(t, n*r.Interval, r.FromTokens(float64(n)))
	}
}

func TestFromTokensOfWhatIsNoAmount(t *testing.T) {
	r := gcra.NewRate(gcra.Settings{Capacity: 15, Refill: gcra.Refill{Amount: 1, Per: time.Minute}})
	var zero float64
	assert.Zero(t, r.FromTokens(-1))
	assert.Zero(t, r.FromTokens(zero/zero), "NaN")
	assert.Equal(t, r.Span, r.FromTokens(1/zero), "infinity is cut")
	assert.Equal(t, r.Span, r.FromTokens(15.5))
}

func TestConvertKeepsTheTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := gcra.NewRate(gcratest.Settings(t)), gcra.NewRate(gcratest.Settings(t))
		credit := rapid.Int64Range(0, from.Span).Draw(t, "credit")
		got := from.Convert(credit, to)
		// floor(credit * to.Interval / from.Interval), cut to to.Span
		want := new(big.Int).Mul(big.NewInt(credit), big.NewInt(to.Interval))
		want.Quo(want, big.NewInt(from.Interval))
		if want.Cmp(big.NewInt(to.Span)) > 0 {
			want.SetInt64(to.Span)
		}
		require.Equal(t, want.Int64(), got)
		require.Equal(t, min(credit/from.Interval, to.Capacity), got/to.Interval, "whole tokens are kept")
	})
}

func TestCreditIsWithinTheBucketWhateverTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := gcra.NewRate(gcratest.Settings(t))
		tat, now := rapid.Int64Range(0, 1<<62).Draw(t, "tat"), rapid.Int64Range(0, 1<<61).Draw(t, "now")
		credit := r.Credit(tat, now)
		require.GreaterOrEqual(t, credit, int64(0))
		require.LessOrEqual(t, credit, r.Span)
		require.Equal(t, credit, r.Credit(r.TAT(credit, now), now))
	})
}
