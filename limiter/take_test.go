package limiter

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/gcra/gcratest"
	"gopher-equalizer/limiter/table"
)

// single is a table with one client's bucket.
type single struct{ *table.Table }

// bucketAt is a bucket with this arrival time.
func bucketAt(s gcra.Settings, tat int64) single {
	b := single{table.New(table.Options{Defaults: s, MaxBuckets: 1})}
	c := b.Claim("client")
	defer c.Release()
	c.Replace(b.Defaults(), 0, 0, func(*gcra.Rate, gcra.Holding) int64 { return tat })
	return b
}

func (b single) take(now int64) Decision {
	t := b.Take("client", 1, now)
	return decisionOf(&t, 1, now)
}

// tat is the bucket's arrival time, whether it is full or not.
func (b single) tat() int64 {
	seen, _ := b.Find("client", 0)
	return seen.TAT
}

// latest is how late tests begin, in nanoseconds: some 9 years. Four times a span, which is some 54
// years at most, and twice that must fit into an int64: see gcra.MaxSpan.
const latest = 1 << 58

// With any requests and any clock, at most capacity + refill * t is admitted in every window, and
// the bucket never holds back more than a token at the rounded interval.
func TestTakeKeepsTheBoundInEveryWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		settings := gcratest.Settings(t)
		start := rapid.Int64Range(0, latest).Draw(t, "start")
		b := bucketAt(settings, start)
		r := b.Defaults()
		now := start
		var admitted []int64
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			now += rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 3*r.Interval), rapid.Int64Range(0, r.Span/2+1)).Draw(t, "gap") % (1 << 53)
			before := r.Credit(b.tat(), now)
			d := b.take(now)
			require.GreaterOrEqual(t, b.tat(), int64(0))
			require.Equal(t, before >= r.Interval, d.Allowed, "a token is spent exactly if one is there")
			if d.Allowed {
				admitted = append(admitted, now)
			} else {
				require.Positive(t, d.RetryAfter)
				_, early := r.Spend(b.tat(), now+int64(d.RetryAfter)-1, r.Interval)
				_, there := r.Spend(b.tat(), now+int64(d.RetryAfter), r.Interval)
				require.False(t, early, "RetryAfter is the first moment")
				require.True(t, there, "RetryAfter is true")
			}
		}
		for i, from := range admitted {
			for j := i; j < len(admitted); j++ {
				// n <= capacity + elapsed/interval, and interval >= Per/Amount.
				n, elapsed := int64(j-i+1), admitted[j]-from
				require.LessOrEqual(t, n, r.Capacity+elapsed/r.Interval, "window %d..%d", i, j)
			}
		}
	})
}

// A client that asks whenever it may gets in every window what the bucket held and what it earned
// at the rounded interval, less one token at most. It never gets more than what the bucket held and
// what the refill is as written, AMOUNT/PER.
func TestGreedyClientGetsWhatItIsOwed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := gcratest.Settings(t)
		if s.Capacity = max(2, s.Capacity); s.Validate() != nil {
			s.Refill.Per /= 2 // two of these tokens would take too long
		}
		require.NoError(t, s.Validate())
		r := gcra.NewRate(s)
		start := rapid.Int64Range(0, latest).Draw(t, "start")
		held := rapid.Int64Range(0, min(s.Capacity, 20)).Draw(t, "held")
		b := bucketAt(s, r.TAT(held*r.Interval, start))
		now, got := start, int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "visits") {
			for allowed := true; allowed; {
				if allowed = b.take(now).Allowed; allowed {
					got++
				}
			}
			earned := (now - start) / r.Interval
			require.GreaterOrEqual(t, got, held+earned-1, "held back")
			require.LessOrEqual(t, got, held+earned, "given away")
			// got - held <= elapsed * Amount / Per, without rounding
			most := new(big.Int).Mul(big.NewInt(now-start), big.NewInt(s.Refill.Amount))
			require.LessOrEqual(t, new(big.Int).Mul(big.NewInt(got-held), big.NewInt(int64(s.Refill.Per))).Cmp(most), 0, "faster than it was written")
			// It comes again before the bucket is full, so that nothing it earns is cut.
			now += rapid.Int64Range(0, min(r.Span-r.Interval, 15*r.Interval, latest/40)).Draw(t, "gap")
		}
	})
}

// The bucket admits exactly what an ideal one with fractions does that is refilled at the rounded
// interval.
func TestTakeIsTheIdealTokenBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := bucketAt(gcratest.Settings(t), 0)
		r := b.Defaults()
		ideal := big.NewRat(r.Capacity, 1)
		now, last := int64(0), int64(0)
		for range rapid.IntRange(1, 100).Draw(t, "requests") {
			now += rapid.Int64Range(0, 2*r.Interval).Draw(t, "gap") % (1 << 54)
			ideal.Add(ideal, big.NewRat(now-last, r.Interval))
			if full := big.NewRat(r.Capacity, 1); ideal.Cmp(full) > 0 {
				ideal = full
			}
			last = now
			d := b.take(now)
			want := ideal.Cmp(big.NewRat(1, 1)) >= 0
			require.Equal(t, want, d.Allowed)
			if want {
				ideal.Sub(ideal, big.NewRat(1, 1))
			}
			whole := new(big.Int).Quo(ideal.Num(), ideal.Denom())
			require.Equal(t, whole.Int64(), d.Remaining)
		}
	})
}
