package limiter

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// bucketAt is a bucket with this arrival time.
func bucketAt(tat int64) *bucket {
	b := &bucket{}
	b.arrival.Store(tat << 1)
	return b
}

// However requests come, and whatever the clock: in every window no more than
// capacity + refill * t is admitted, and the bucket never holds back more than a token at
// the rounded cost.
func TestTakeKeepsTheBoundInEveryWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRate(anySettings(t))
		start := rapid.Int64Range(0, 1<<60).Draw(t, "start")
		b := bucketAt(start)
		now := start
		var admitted []int64
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			now += rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 3*r.cost), rapid.Int64Range(0, r.span/2+1)).Draw(t, "gap") % (1 << 53)
			before := r.credit(b.tat(), now)
			tat, allowed, _ := b.take(r, dirty, now)
			require.GreaterOrEqual(t, tat, int64(0))
			require.Equal(t, before >= r.cost, allowed, "a token is spent exactly if one is there")
			d := r.decision(allowed, tat, now)
			if allowed {
				admitted = append(admitted, now)
			} else {
				require.Positive(t, d.RetryAfter)
				_, early := r.spend(b.tat(), now+int64(d.RetryAfter)-1)
				_, there := r.spend(b.tat(), now+int64(d.RetryAfter))
				require.False(t, early, "RetryAfter is the first moment")
				require.True(t, there, "RetryAfter is true")
			}
		}
		for i, from := range admitted {
			for j := i; j < len(admitted); j++ {
				// n <= capacity + elapsed/cost, and cost >= Per/Amount.
				n, elapsed := int64(j-i+1), admitted[j]-from
				require.LessOrEqual(t, n, r.Capacity+elapsed/r.cost, "window %d..%d", i, j)
			}
		}
	})
}

// A client that asks whenever it may gets all it is owed, in every window: what the bucket held and what it earned at the rounded
// cost, less one token at most. And never more than what it held and what the refill is as it was written, AMOUNT/PER.
func TestGreedyClientGetsWhatItIsOwed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anySettings(t)
		if s.Capacity = max(2, s.Capacity); s.Validate() != nil {
			s.Refill.Per /= 2 // two of these tokens would take too long
		}
		require.NoError(t, s.Validate())
		r := newRate(s)
		start := rapid.Int64Range(0, 1<<60).Draw(t, "start")
		held := rapid.Int64Range(0, min(s.Capacity, 20)).Draw(t, "held")
		b := bucketAt(r.tat(held*r.cost, start))
		now, got := start, int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "visits") {
			for allowed := true; allowed; {
				if _, allowed, _ = b.take(r, dirty, now); allowed {
					got++
				}
			}
			earned := (now - start) / r.cost
			require.GreaterOrEqual(t, got, held+earned-1, "held back")
			require.LessOrEqual(t, got, held+earned, "given away")
			// got - held <= elapsed * Amount / Per, without rounding
			most := new(big.Int).Mul(big.NewInt(now-start), big.NewInt(s.Refill.Amount))
			require.LessOrEqual(t, new(big.Int).Mul(big.NewInt(got-held), big.NewInt(int64(s.Refill.Per))).Cmp(most), 0, "faster than it was written")
			// It comes again before the bucket is full, so that nothing it earns is cut.
			now += rapid.Int64Range(0, min(r.span-r.cost, 15*r.cost, (1<<60)/40)).Draw(t, "gap")
		}
	})
}

// Of a refill as it was written, rounding the cost up takes less than one in a thousand.
func TestRoundingCostsLessThanAThousandth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		refill := anyRefill(t)
		// cost * Amount / Per, from 1 to 1.001
		scaled := new(big.Int).Mul(big.NewInt(refill.Cost()), big.NewInt(refill.Amount))
		per := big.NewInt(int64(refill.Per))
		require.GreaterOrEqual(t, scaled.Cmp(per), 0)
		least := new(big.Int).Mul(scaled, big.NewInt(1000))
		require.Negative(t, least.Cmp(new(big.Int).Mul(per, big.NewInt(1001))))
	})
}

// The same against an ideal bucket with fractions, refilled at the rounded cost: what the ideal
// one admits, ours admits, and no more.
func TestTakeIsTheIdealTokenBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRate(anySettings(t))
		b := bucketAt(0)
		ideal := big.NewRat(r.Capacity, 1)
		now, last := int64(0), int64(0)
		for range rapid.IntRange(1, 100).Draw(t, "requests") {
			now += rapid.Int64Range(0, 2*r.cost).Draw(t, "gap") % (1 << 54)
			ideal.Add(ideal, big.NewRat(now-last, r.cost))
			if full := big.NewRat(r.Capacity, 1); ideal.Cmp(full) > 0 {
				ideal = full
			}
			last = now
			tat, allowed, _ := b.take(r, dirty, now)
			d := r.decision(allowed, tat, now)
			want := ideal.Cmp(big.NewRat(1, 1)) >= 0
			require.Equal(t, want, allowed)
			if want {
				ideal.Sub(ideal, big.NewRat(1, 1))
			}
			whole := new(big.Int).Quo(ideal.Num(), ideal.Denom())
			require.Equal(t, whole.Int64(), d.Remaining)
		}
	})
}

func TestWholeIsADivision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRate(anySettings(t))
		tokens := rapid.Int64Range(0, r.Capacity-1).Draw(t, "tokens")
		credit := tokens*r.cost + rapid.OneOf(rapid.Just(int64(0)), rapid.Just(r.cost-1), rapid.Int64Range(0, r.cost-1)).Draw(t, "part")
		require.Equal(t, tokens, r.whole(credit))
		require.Equal(t, r.Capacity, r.whole(r.span))
	})
}

func TestTokensNeverStandForMoreThanTheCredit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRate(anySettings(t))
		credit := rapid.Int64Range(0, r.span).Draw(t, "credit")
		back := r.fromTokens(r.tokens(credit))
		require.LessOrEqual(t, back, credit)
		// What is lost is what a float64 can't hold: 2^-51 of it, and a nanosecond.
		require.LessOrEqual(t, float64(credit-back), float64(r.span)/(1<<51)+float64(r.cost)/(1<<51)+1)
	})
	// The nearest float64 stands for 41 ns more than there are.
	r := newRate(Settings{314573957642307, Refill{1, 3445}})
	const credit = 774273574980212031
	assert.LessOrEqual(t, r.fromTokens(r.tokens(credit)), int64(credit))

	r = newRate(Settings{15, Refill{1, time.Minute}})
	for n := range int64(16) {
		assert.Equal(t, float64(n), r.tokens(n*r.cost), "whole tokens are exact")
		assert.Equal(t, n*r.cost, r.fromTokens(float64(n)))
	}
}

func TestFromTokensOfWhatIsNoAmount(t *testing.T) {
	r := newRate(Settings{15, Refill{1, time.Minute}})
	var zero float64
	assert.Zero(t, r.fromTokens(-1))
	assert.Zero(t, r.fromTokens(zero/zero), "NaN")
	assert.Equal(t, r.span, r.fromTokens(1/zero), "infinity is cut")
	assert.Equal(t, r.span, r.fromTokens(15.5))
}

func TestConvertKeepsTheTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := newRate(anySettings(t)), newRate(anySettings(t))
		credit := rapid.Int64Range(0, from.span).Draw(t, "credit")
		got := from.convert(credit, to)
		// floor(credit * to.cost / from.cost), cut to to.span
		want := new(big.Int).Mul(big.NewInt(credit), big.NewInt(to.cost))
		want.Quo(want, big.NewInt(from.cost))
		if want.Cmp(big.NewInt(to.span)) > 0 {
			want.SetInt64(to.span)
		}
		require.Equal(t, want.Int64(), got)
		require.Equal(t, min(credit/from.cost, to.Capacity), got/to.cost, "whole tokens are kept")
	})
}

func TestCreditIsWithinTheBucketWhateverTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRate(anySettings(t))
		tat, now := rapid.Int64Range(0, 1<<62).Draw(t, "tat"), rapid.Int64Range(0, 1<<61).Draw(t, "now")
		credit := r.credit(tat, now)
		require.GreaterOrEqual(t, credit, int64(0))
		require.LessOrEqual(t, credit, r.span)
		require.Equal(t, credit, r.credit(r.tat(credit, now), now))
	})
}

func TestStoredTimeRoundsUp(t *testing.T) {
	exact := time.Date(2026, 11, 23, 7, 21, 2, 411_000, time.UTC)
	assert.Equal(t, exact, storedTime(exact))
	assert.Equal(t, exact.Add(time.Microsecond), storedTime(exact.Add(1)))
	assert.Equal(t, exact.Add(time.Microsecond), storedTime(exact.Add(999)))
}
