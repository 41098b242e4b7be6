package bolt

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store/storetest"
)

func TestValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		refill := gcra.Refill{
			Amount: rapid.Int64Range(1, 1000).Draw(t, "amount"),
			Per:    time.Duration(rapid.Int64Range(int64(time.Second), 1<<60).Draw(t, "per")),
		}
		capacity := rapid.Int64Range(1, (1<<60)/refill.Interval()).Draw(t, "capacity")
		want := limiter.Record{
			Key:      limiter.Key{Namespace: rapid.Uint32().Draw(t, "namespace"), ClientID: rapid.String().Draw(t, "client")},
			Kind:     limiter.Kind(rapid.IntRange(0, 1).Draw(t, "kind")),
			Managed:  rapid.Bool().Draw(t, "managed"),
			Tier:     rapid.String().Draw(t, "tier"),
			Settings: gcra.Settings{Capacity: capacity, Refill: refill},
			Tokens:   rapid.Float64Range(-float64(capacity), float64(capacity)).Draw(t, "tokens"),
			At:       time.UnixMicro(rapid.Int64().Draw(t, "at")).UTC(),
		}
		got, err := decodeValue(want.Key, appendValue(nil, &want))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestAValueIsSmall(t *testing.T) {
	r := limiter.Record{
		Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}},
		Tokens:   9.5,
		At:       time.Date(2026, 11, 23, 7, 21, 2, 0, time.UTC),
	}
	require.LessOrEqual(t, len(appendValue(nil, &r)), 26)
}

func TestDecodeRefuses(t *testing.T) {
	good := limiter.Record{
		Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}},
		Tokens:   9.5,
	}
	vary := func(change func(r *limiter.Record)) []byte {
		r := good
		change(&r)
		return appendValue(nil, &r)
	}
	f := func(value []byte, why string) {
		t.Helper()
		_, err := decodeValue(storetest.Keys("alice")[0], value)
		require.ErrorContains(t, err, `client "alice"`)
		require.ErrorContains(t, err, why)
	}
	whole := appendValue(nil, &good)
	for n := range whole {
		f(whole[:n], "makes no sense")
	}
	f(append(whole, 0), "makes no sense")
	f(append([]byte{16}, whole[1:]...), "unknown flags 0x10")
	f(append([]byte{flagTier}, whole[1:]...), "makes no sense")
	f(append([]byte{flagReserved}, whole[1:]...), "makes no sense")
	f(vary(func(r *limiter.Record) { r.Reserved = -1 }), "reserved tokens can't be")
	f(vary(func(r *limiter.Record) { r.Reserved = math.NaN() }), "reserved tokens can't be")
	f(vary(func(r *limiter.Record) { r.Settings.Capacity = 0 }), "capacity 0")
	f(vary(func(r *limiter.Record) { r.Settings.Capacity = -1 }), "makes no sense")
	f(vary(func(r *limiter.Record) { r.Settings.Refill.Per = 0 }), "refill")
	f(vary(func(r *limiter.Record) { r.Tokens = math.NaN() }), "tokens can't be")
}

func FuzzDecodeValue(f *testing.F) {
	settings := gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}
	f.Add(appendValue(nil, &limiter.Record{Settings: settings, Tokens: 9.5, At: time.Unix(1795418462, 0)}))
	f.Add(appendValue(nil, &limiter.Record{Settings: settings, Managed: true, At: time.Unix(-1, 0)}))
	f.Add(appendValue(nil, &limiter.Record{Settings: settings, Reserved: math.Inf(1), At: time.Unix(1, 0)}))
	f.Add(appendValue(nil, &limiter.Record{Settings: settings, Kind: limiter.Window, Tier: "gold", Tokens: -1, At: time.Unix(1, 0)}))
	f.Add([]byte{})
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := decodeValue(storetest.Keys("alice")[0], value)
		if err != nil {
			require.Zero(t, r)
			return
		}
		require.NoError(t, r.Settings.Validate())
		again, err := decodeValue(storetest.Keys("alice")[0], appendValue(nil, &r))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
