package config

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
)

func TestParseSize(t *testing.T) {
	f := func(text string, want Size) {
		t.Helper()
		got, err := ParseSize(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("0", 0)
	f("0GiB", 0)
	f("512", 512)
	f("512B", 512)
	f("16KiB", 16*1024)
	f("5MiB", 5<<20)
	f("1GiB", 1<<30)
	f("2TiB", 2<<40)
	f("9223372036854775807", math.MaxInt64)
	f("8388607TiB", 8388607<<40)
}

func TestParseSizeRefuses(t *testing.T) {
	f := func(text, why string) {
		t.Helper()
		_, err := ParseSize(text)
		require.EqualError(t, err, fmt.Sprintf("%q: %s; want bytes, or a whole number with B, KiB, MiB, GiB or TiB, such as \"16KiB\"", text, why))
	}
	for _, text := range []string{"", "KiB", "1.5MiB", "-1", "+1", " 1", "1 KiB", "1_000", "0x10", "1e3", "ten", "1KiB1"} {
		f(text, "not a whole number of bytes")
	}
	for _, unit := range []string{"KB", "kB", "kib", "MB", "M", "k", "b", "KiBs"} {
		f("1"+unit, fmt.Sprintf("unknown unit %q", unit))
	}
	for _, text := range []string{"9223372036854775808", "8388608TiB", "99999999999999999999KiB"} {
		f(text, "too large")
	}
}

func TestSizesReadBack(t *testing.T) {
	require.Equal(t, "16KiB", (16 * KiB).String())
	require.Equal(t, "1GiB", GiB.String())
	require.Equal(t, "1025", (KiB + 1).String())
	require.Equal(t, "0", Size(0).String())
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]Size{Byte, KiB, MiB, GiB, TiB}).Draw(t, "unit")
		size := unit * Size(rapid.Int64Range(0, math.MaxInt64/int64(unit)).Draw(t, "n"))
		got, err := ParseSize(size.String())
		require.NoError(t, err)
		require.Equal(t, size, got)
	})
}

func TestParseDuration(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		got, err := parseDuration(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("5s", 5*time.Second)
	f("0s", 0)
	f("1m30s", 90*time.Second)
	f("1.5h", 90*time.Minute)
	f("20us", 20*time.Microsecond)
	f("500ms", 500*time.Millisecond)
}

func TestParseDurationRefuses(t *testing.T) {
	f := func(text, why string) {
		t.Helper()
		_, err := parseDuration(text)
		require.EqualError(t, err, fmt.Sprintf("%q: %s; want a number with ns, us, ms, s, m or h, such as \"5s\" or \"1m30s\"", text, why))
	}
	f("5", "no unit")
	f("0", "no unit")
	f("-5", "no unit")
	f("1.5", "no unit")
	f("-5s", "below 0")
	f("-0s", "below 0")
	for _, text := range []string{"", "s", "5 s", "5 seconds", "1d", "1w", "5S", "five", "1s2", "9999999h"} {
		f(text, "not a duration")
	}
}

func TestShortDuration(t *testing.T) {
	require.Equal(t, "24h", gcra.ShortDuration(24*time.Hour))
	require.Equal(t, "1h5m", gcra.ShortDuration(65*time.Minute))
	require.Equal(t, "1h0m5s", gcra.ShortDuration(time.Hour+5*time.Second))
	require.Equal(t, "10m", gcra.ShortDuration(10*time.Minute))
	require.Equal(t, "0s", gcra.ShortDuration(0))
}

func TestSecretsDoNotPrint(t *testing.T) {
	c := Default()
	c.Admin.Token, c.Store.Postgres.Password = "hunter2", "hunter2"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, c), "hunter2")
		require.NotContains(t, fmt.Sprintf(verb, c), "68756e74657232")
		require.Equal(t, "***", fmt.Sprintf(verb, c.Admin.Token))
	}
	text, err := json.Marshal(c)
	require.NoError(t, err)
	require.NotContains(t, string(text), "hunter2")
	require.Equal(t, "hunter2", string(c.Admin.Token))
	require.Empty(t, Secret("").String())
}

func TestShow(t *testing.T) {
	require.EqualValues(t, `"a\nb"`, show("a\nb"))
	require.EqualValues(t, `"http://***@b"`, show("http://user:hunter2@b"))
	require.EqualValues(t, `"http://***@b"`, show("http://u:h//u@nter2@b"))
	require.EqualValues(t, `"***@b"`, show("user:hunter2@b"))
	require.Len(t, show(string(make([]byte, 1000))), len(`"..."`)+120*len(`\x00`))
}

func TestNearest(t *testing.T) {
	names := []string{"connect_timeout", "fall", "flush_interval", "host", "path", "port", "user"}
	f := func(name, want string) {
		t.Helper()
		got, ok := nearest(name, names)
		require.Equal(t, want, got)
		require.Equal(t, want != "", ok)
	}
	f("flush_intervall", "flush_interval")
	f("flush-interval", "flush_interval")
	f("flushinterval", "flush_interval")
	f("FLUSH_INTREVAL", "flush_interval")
	f("conect_timout", "connect_timeout")
	f("hsot", "host")
	f("prt", "port")
	f("pot", "port") // host and path take two edits
	f("Path", "path")
	f("", "")
	f("interval", "")
	f("username", "")
}

func TestEdits(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		require.Equal(t, want, Edits(a, b))
		require.Equal(t, want, Edits(b, a))
	}
	f("", "", 0)
	f("abc", "", 3)
	f("abc", "abc", 0)
	f("abc", "abd", 1)
	f("abc", "acb", 1)
	f("abc", "bc", 1)
	f("kitten", "sitting", 3)
	f("stroe", "store", 1)
	f("soter", "store", 2)
	f("", "store", 5)
}

// The edits are a metric as far as a reader minds, and one keystroke is 1.
func TestEditsAreADistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringMatching(`[a-c]{0,8}`).Draw(t, "a"), rapid.StringMatching(`[a-c]{0,8}`).Draw(t, "b")
		d := Edits(a, b)
		require.Equal(t, d, Edits(b, a))
		require.Equal(t, d == 0, a == b)
		require.LessOrEqual(t, d, max(len(a), len(b)))
		at := rapid.IntRange(0, len(a)).Draw(t, "at")
		require.LessOrEqual(t, Edits(a, a[:at]+"x"+a[at:]), 1)
		require.LessOrEqual(t, Edits(a, strings.Replace(a, "a", "z", 1)), 1)
	})
}

func TestEither(t *testing.T) {
	require.Empty(t, either(nil))
	require.Equal(t, "a", either([]string{"a"}))
	require.Equal(t, "a or b", either([]string{"a", "b"}))
	require.Equal(t, "a, b or c", either([]string{"a", "b", "c"}))
}

func TestProblemOnOneLine(t *testing.T) {
	require.Equal(t, "c.toml:12: admin.listen: bad", Problem{"c.toml", 12, "admin.listen", "bad"}.String())
	require.Equal(t, "c.toml: admin.listen: bad", Problem{"c.toml", 0, "admin.listen", "bad"}.String())
	require.Equal(t, "c.toml:1: bad", Problem{"c.toml", 1, "", "bad"}.String())
	require.Equal(t, "admin.listen: bad", Problem{"", 0, "admin.listen", "bad"}.String())
}
