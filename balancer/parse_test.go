package balancer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testNames checks a parser of names: those that it takes come back as they are, and for all others
// the error names the text, what kind of name it is, and what was wanted.
func testNames[T ~string](t *testing.T, parse func(string) (T, error), kind, want string, names ...string) {
	t.Helper()
	for _, name := range names {
		got, err := parse(name)
		require.NoError(t, err)
		assert.Equal(t, T(name), got)
	}
	for _, text := range []string{"", "RANDOM", "Ready", " http", "tcp ", "least_conn", "maint,drain"} {
		got, err := parse(text)
		assert.Empty(t, got)
		assert.EqualError(t, err, `unexpected `+kind+` "`+text+`"; want `+want)
	}
}

func TestParseStrategy(t *testing.T) {
	testNames(t, ParseStrategy, "strategy", "round_robin, random, least_in_flight, p2c, peak_ewma, hash or sticky",
		"round_robin", "random", "least_in_flight", "p2c", "peak_ewma", "hash", "sticky")
}

func TestParseState(t *testing.T) {
	testNames(t, ParseState, "state", "ready, drain or maint", "ready", "drain", "maint")
}

func TestParseHealthType(t *testing.T) {
	testNames(t, ParseHealthType, "health type", "http or tcp", "http", "tcp")
}

func TestParseStatusRange(t *testing.T) {
	good := func(text string, first, last int) {
		t.Helper()
		got, err := ParseStatusRange(text)
		require.NoError(t, err)
		assert.Equal(t, StatusRange{First: first, Last: last}, got)
		assert.Equal(t, text, got.String())
	}
	good("204", 204, 204)
	good("200-299", 200, 299)
	good("100-599", 100, 599)

	one, err := ParseStatusRange("401-401")
	require.NoError(t, err)
	assert.Equal(t, "401", one.String())
}

func TestParseStatusRangeRefuses(t *testing.T) {
	bad := func(text, why string) {
		t.Helper()
		got, err := ParseStatusRange(text)
		assert.Zero(t, got)
		assert.EqualError(t, err, `statuses "`+text+`": `+why+`; want one such as 204, or a range such as 200-299`)
	}
	bad("299-200", "it ends before it starts")
	bad("200-", `"" is not a status from 100 to 599`)
	bad("-299", `"" is not a status from 100 to 599`)
	bad("200 - 299", `"200 " is not a status from 100 to 599`)
	bad("200-299-399", `"299-399" is not a status from 100 to 599`)
	bad("200-600", `"600" is not a status from 100 to 599`)
	for _, text := range []string{"", "2", "20", "2000", "0204", "+20", "2e2", "099", "600", "2xx", " 200", "200 ", "２００"} {
		bad(text, `"`+text+`" is not a status from 100 to 599`)
	}
}

func TestStatusRangeContainsItsEnds(t *testing.T) {
	r := StatusRange{First: 200, Last: 299}
	for status, want := range map[int]bool{0: false, 199: false, 200: true, 250: true, 299: true, 300: false} {
		assert.Equal(t, want, r.Contains(status), status)
	}
}

func FuzzParseStatusRange(f *testing.F) {
	for _, text := range []string{"204", "200-299", "299-200", "-", "200-", "+20", "200-2999", "１00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseStatusRange(text)
		if err != nil {
			assert.Zero(t, r)
			return
		}
		assert.True(t, 100 <= r.First && r.First <= r.Last && r.Last <= 599, "%q gave %+v", text, r)
		again, err := ParseStatusRange(r.String())
		require.NoError(t, err)
		assert.Equal(t, r, again)
	})
}
