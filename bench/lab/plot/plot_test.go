package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// valid checks that an SVG is well-formed and has only numbers as positions, and returns its texts.
func valid(t *testing.T, svg []byte) []string {
	t.Helper()
	assert.NotRegexp(t, `NaN|Inf`, string(svg))
	var texts []string
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		require.NoError(t, err)
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			texts = append(texts, string(text))
		}
	}
}

func TestBars(t *testing.T) {
	bars := Bars{Title: "<T>", Subtitle: "S", Unit: "us", Groups: []Group{
		{Name: "one", Bars: []Bar{{Name: "a & b", Value: 12.34, Min: 10, Max: 20, Note: "x 1.00", Style: Style{Colour: "#000", Bold: true}}}},
		{Name: "two", Bars: []Bar{{Name: "c", Value: 1136, Min: 1000, Max: 1200}}},
	}}
	assert.Equal(t, []string{
		"<T>", "S", "0", "200", "400", "600", "800", "1000", "1200", "us",
		"one", "a & b", "12.3", "x 1.00", "two", "c", "1136",
	}, valid(t, bars.SVG()))
}

func TestMarksAreRound(t *testing.T) {
	bars := Bars{Groups: []Group{{Bars: []Bar{{Value: 0.55, Max: 0.55}}}}}
	assert.Equal(t, []string{"0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.550"}, valid(t, bars.SVG()))
}

func TestBarsAreAsLongAsTheirValues(t *testing.T) {
	svg := Bars{Groups: []Group{{Bars: []Bar{{Value: 1, Max: 1}, {Value: 2, Max: 2}, {Value: 4, Max: 4}}}}}.SVG()
	var lengths []float64
	for _, m := range regexp.MustCompile(`<rect x="180" y="[\d.]+" width="([\d.]+)"`).FindAllSubmatch(svg, -1) {
		length, err := strconv.ParseFloat(string(m[1]), 64)
		require.NoError(t, err)
		lengths = append(lengths, length)
	}
	require.Len(t, lengths, 3)
	assert.InDelta(t, lengths[2], 2*lengths[1], 0.2)
	assert.InDelta(t, lengths[1], 2*lengths[0], 0.2)
}

func TestLatency(t *testing.T) {
	l := Latency{Title: "T", Subtitle: "S", Lines: []Line{
		{Name: "slow", Points: []Point{{1, 0.5}, {50, 1}, {99.9, 90}}, Style: Style{Dashed: true}},
		{Name: "fast", Points: []Point{{1, 0.25}, {50, 0.4}, {99.9, 1}}, Style: Style{Bold: true}},
		{Name: "nothing"},
	}}
	texts := valid(t, l.SVG())
	assert.Subset(t, texts, []string{"T", "S", "0 %", "50 %", "99.9 %", "0.5 ms", "50 ms", "slow", "fast"})
	assert.NotContains(t, texts, "nothing")
	assert.NotContains(t, texts, "99.99 %")
	assert.NotContains(t, texts, "200 ms")

	l.Lines[0].Points[2].Y = 2500
	assert.Subset(t, valid(t, l.SVG()), []string{"1 ms", "100 ms", "1 s"})
}

func TestNamesDoNotOverlap(t *testing.T) {
	l := Latency{}
	for range 6 {
		l.Lines = append(l.Lines, Line{Name: "n", Points: []Point{{1, 1}, {99, 10}}})
	}
	svg := l.SVG()
	last := math.Inf(-1)
	for _, m := range regexp.MustCompile(`y="([\d.]+)"[^>]*>n<`).FindAllSubmatch(svg, -1) {
		y, err := strconv.ParseFloat(string(m[1]), 64)
		require.NoError(t, err)
		assert.Greater(t, math.Abs(y-last), nameHeight-0.2)
		last = y
	}
	assert.False(t, math.IsInf(last, 0))
}

func TestPlotsOfNothing(t *testing.T) {
	valid(t, Bars{}.SVG())
	valid(t, Latency{}.SVG())
	valid(t, Bars{Groups: []Group{{Bars: []Bar{{Name: "none"}}}}}.SVG())
	valid(t, Latency{Lines: []Line{{Points: []Point{{50, 1}}}}}.SVG())
}

func TestStep(t *testing.T) {
	for most, want := range map[float64]float64{0: 1, 1: 0.2, 6: 1, 30: 5, 41.8: 10, 1200: 200, 1201: 500} {
		assert.InDelta(t, want, step(most, 6), 1e-9, "%v", most)
	}
}

func TestShort(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.01234: "0.0123", 0.5: "0.500", 12.34: "12.3", 345.6: "346", 1136.2: "1136"} {
		assert.Equal(t, want, short(x))
	}
}

func TestSeries(t *testing.T) {
	s := Series{Title: "T", Subtitle: "S", Unit: "MB", Lines: []Line{
		{Name: "a", Points: []Point{{0, 10}, {1, 20}, {2, 20}}},
		{Name: "b", Points: []Point{{0, 0}, {2, 5}}},
		{Name: "none"},
	}}
	svg := s.SVG()
	assert.Equal(t, []string{"T", "S", "0", "5", "10", "15", "20", "0", "0.5", "1", "1.5", "2", "MB over minutes", "b", "a"}, valid(t, svg))
	lines := regexp.MustCompile(`<polyline points="([^"]+)"`).FindAllSubmatch(svg, -1)
	require.Len(t, lines, 2)
	assert.Regexp(t, `^64.0,[\d.]+ 367.0,([\d.]+) 670.0,([\d.]+)$`, string(lines[0][1]))
	valid(t, Series{}.SVG())
}
