package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// first is the namespace of most records in these checks.
const first = 1

// namespaces are all that they write to, in order.
var namespaces = []uint32{first, 2, 3, 256, math.MaxInt32}

// Keys are those of some clients in the first namespace.
func Keys(clientIDs ...string) (keys []limiter.Key) {
	for _, clientID := range clientIDs {
		keys = append(keys, limiter.Key{Namespace: first, ClientID: clientID})
	}
	return keys
}

// Record is an ordinary record of a client, in the first namespace.
func Record(clientID string, tokens float64) limiter.Record {
	return limiter.Record{
		Key:      limiter.Key{Namespace: first, ClientID: clientID},
		Settings: gcra.Settings{Capacity: 100, Refill: gcra.Refill{Amount: 1, Per: time.Minute}},
		Tokens:   tokens,
		At:       time.Date(2026, 11, 23, 7, 21, 2, 411_000, time.UTC),
	}
}

// Records are n ordinary records, in a batch's order.
func Records(n int) []limiter.Record {
	records := make([]limiter.Record, n)
	for i := range records {
		records[i] = Record(fmt.Sprintf("client-%06d", i), float64(i%100))
	}
	return records
}

// puts is a batch that puts records, which may be in any order.
func puts(records ...limiter.Record) limiter.Batch {
	slices.SortFunc(records, func(a, b limiter.Record) int { return a.Key.Compare(b.Key) })
	return limiter.Batch{Puts: records}
}

// extremes are records with the least and the greatest values of each field.
func extremes() []limiter.Record {
	second := func(amount int64) gcra.Refill { return gcra.Refill{Amount: amount, Per: time.Second} }
	vary := func(change func(*limiter.Record)) limiter.Record {
		r := Record("client", 1)
		change(&r)
		return r
	}
	records := []limiter.Record{
		vary(func(r *limiter.Record) { r.Managed = true }),
		vary(func(r *limiter.Record) { r.Managed, r.Tier = true, "gold" }),
		vary(func(r *limiter.Record) { r.Managed, r.Tier, r.Reserved = true, strings.Repeat("\U0001F9AB", 64), 5 }),
		vary(func(r *limiter.Record) { r.Kind = limiter.Window }),
		vary(func(r *limiter.Record) { r.Tokens = -7.25 }),
		vary(func(r *limiter.Record) { r.Tokens = -1 << 60 }),
		vary(func(r *limiter.Record) { r.Namespace = 2 }),
		vary(func(r *limiter.Record) { r.Namespace = 3 }),
		vary(func(r *limiter.Record) { r.Namespace = math.MaxInt32 }),
		vary(func(r *limiter.Record) { r.Settings = gcra.Settings{Capacity: 1, Refill: second(1)}; r.Tokens = 0 }),
		vary(func(r *limiter.Record) {
			r.Settings = gcra.Settings{Capacity: 1 << 50, Refill: second(gcra.MaxRate)}
			r.Tokens = 1<<50 - 0.25
		}),
		vary(func(r *limiter.Record) {
			r.Settings = gcra.Settings{Capacity: 1, Refill: gcra.Refill{Amount: 11, Per: math.MaxInt64}}
		}),
		vary(func(r *limiter.Record) { r.Settings.Refill = gcra.Refill{Amount: 3, Per: 100_000_000_000_001} }),
		vary(func(r *limiter.Record) { r.Tokens = math.Nextafter(1, 0) }),
		vary(func(r *limiter.Record) { r.Tokens = math.SmallestNonzeroFloat64 }),
		vary(func(r *limiter.Record) { r.Tokens = 1.0 / 3 }),
		vary(func(r *limiter.Record) { r.Reserved = math.Inf(1) }),
		vary(func(r *limiter.Record) { r.Reserved = 50; r.Tokens = 0.5 }),
		vary(func(r *limiter.Record) { r.At = time.Unix(0, 0).UTC() }),
		vary(func(r *limiter.Record) { r.At = time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC) }),
		vary(func(r *limiter.Record) { r.At = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC) }),
		vary(func(r *limiter.Record) { r.At = time.Date(2026, 11, 23, 0, 0, 0, 1_000, time.UTC) }),
	}
	for i := range records {
		records[i].ClientID = fmt.Sprintf("extreme-%02d", i)
	}
	for _, clientID := range []string{
		"a", "\u00e9", "e\u0301", "日本語", "\U0001F9AB", strings.Repeat("\U0001F9AB", 64), strings.Repeat("x", 256),
		`'; DROP TABLE buckets; --`, `\`, `"`, "%", "a b", "a/b?c=d", "2001:db8:1:2::/64", "sha256:" + strings.Repeat("0", 64),
		"\u202e", "\ufffd", "\U0010ffff", "A", "Z", "_",
	} {
		records = append(records, Record(clientID, 1))
	}
	return records
}

// anyRecord draws a record that a Service could write, of one of a few buckets.
func anyRecord(keys []limiter.Key) *rapid.Generator[limiter.Record] {
	return rapid.Custom(func(t *rapid.T) limiter.Record {
		refill := gcra.Refill{
			Amount: rapid.Int64Range(1, 1000).Draw(t, "amount"),
			Per:    time.Duration(rapid.Int64Range(int64(time.Second), int64(10*365*24*time.Hour)).Draw(t, "per")),
		}
		capacity := rapid.Int64Range(1, (1<<60)/refill.Interval()).Draw(t, "capacity")
		return limiter.Record{
			Key:      rapid.SampledFrom(keys).Draw(t, "bucket"),
			Managed:  rapid.Bool().Draw(t, "managed"),
			Tier:     rapid.SampledFrom([]string{"", "", "gold", "free"}).Draw(t, "tier"),
			Settings: gcra.Settings{Capacity: capacity, Refill: refill},
			Tokens:   rapid.Float64Range(0, float64(capacity)).Draw(t, "tokens"),
			Reserved: rapid.OneOf(rapid.Just(0.0), rapid.Just(math.Inf(1)), rapid.Float64Range(0, 1e9)).Draw(t, "reserved"),
			At:       time.UnixMicro(rapid.Int64Range(0, 253402300799999999).Draw(t, "at")).UTC(),
		}
	})
}

// anyKey draws a bucket of one of three limits.
func anyKey() *rapid.Generator[limiter.Key] {
	return rapid.Custom(func(t *rapid.T) limiter.Key {
		return limiter.Key{Namespace: rapid.SampledFrom(namespaces[:3]).Draw(t, "namespace"), ClientID: anyClientID().Draw(t, "client")}
	})
}

// anyClientID draws a client_id as the proxy allows it: 1 to 256 bytes of UTF-8 without control
// characters.
func anyClientID() *rapid.Generator[string] {
	r := rapid.RuneFrom(nil, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs, unicode.Cf, unicode.Co)
	return rapid.StringOfN(r, 1, -1, 256)
}
