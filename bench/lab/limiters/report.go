//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gopher-equalizer/bench/lab/report"
	"gopher-equalizer/bench/machine"
)

// row is a figure that has a bar.
type row struct {
	figure, bar, aim string
	measured         []float64 // one for each round
}

// table is figures side by side.
type table struct {
	title   string
	figures map[string][]float64
}

func (s *suite) row(figure, bar, aim string, measured []float64) {
	s.rows = append(s.rows, row{figure, bar, aim, measured})
	s.progress("%s: %s, bar %s", figure, spread(measured), bar)
}

func (s *suite) table(title string, figures map[string][]float64) {
	s.tables = append(s.tables, table{title, figures})
	s.progress("%s", title)
	for _, name := range byMedian(figures) {
		s.progress("  %s: %s", name, spread(figures[name]))
	}
}

func (s *suite) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
	s.progress(format, args...)
}

// page is the report for people.
func (s *suite) page(command, revision string, facts []machine.Fact) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The limiter in memory\n\nMade with\n\n    %s\n\n| machine | |\n|---|---|\n", command)
	for _, f := range facts {
		fmt.Fprintf(&b, "| %s | %s |\n", f.Name, f.Value)
	}
	fmt.Fprintf(&b, "| revision | %s |\n", revision)
	b.WriteString("\nMedians over the rounds, with the least and the greatest in brackets. Ratios are of two runs of the same round, less what making the client_ids costs.\n")
	b.WriteString("\n| figure | bar | aim | measured | |\n|---|---|---|---|---|\n")
	for _, r := range s.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.figure, r.bar, r.aim, spread(r.measured), r.verdict())
	}
	for _, t := range s.tables {
		fmt.Fprintf(&b, "\n| %s | |\n|---|---|\n", t.title)
		for _, name := range byMedian(t.figures) {
			fmt.Fprintf(&b, "| %s | %s |\n", name, spread(t.figures[name]))
		}
	}
	b.WriteString("\n")
	for _, n := range s.notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	return b.Bytes()
}

// bars are the rows, for programs.
func (s *suite) bars() (bars []report.Bar) {
	for _, r := range s.rows {
		over, bar, aim := report.Over(r.measured), mostOf(r.bar), mostOf(cmp.Or(r.aim, r.bar))
		bars = append(bars, report.Bar{
			Figure: r.figure, Ratio: report.Ratio{Value: over.Median, Min: over.Min, Max: over.Max, Rounds: len(r.measured)},
			Most: bar, Aim: aim, Held: over.Median <= bar, Reached: over.Median <= aim,
		})
	}
	return bars
}

// verdict reports whether the median is within the bar and the aim.
func (r row) verdict() string {
	switch {
	case r.aim != "" && within(r.measured, r.aim):
		return "aim met"
	case within(r.measured, r.bar):
		return "bar met"
	}
	return "**missed**"
}

// within reports whether the median keeps a bound, "<= N" or "N".
func within(measured []float64, bound string) bool {
	return median(measured) <= mostOf(bound)
}

// mostOf is the number of a bound. An invalid bound is never kept.
func mostOf(bound string) float64 {
	most, err := strconv.ParseFloat(strings.TrimPrefix(bound, "<= "), 64)
	if err != nil {
		return math.Inf(-1)
	}
	return most
}

func median(values []float64) float64 { return report.Over(values).Median }

// spread is the median and, if there are several figures, the least and the greatest.
func spread(values []float64) string {
	if len(values) == 1 {
		return number(values[0])
	}
	return fmt.Sprintf("%s [%s, %s]", number(median(values)), number(slices.Min(values)), number(slices.Max(values)))
}

// number has three significant digits.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func byMedian(figures map[string][]float64) []string {
	return slices.SortedFunc(maps.Keys(figures), func(a, b string) int {
		if d := median(figures[a]) - median(figures[b]); d != 0 {
			return int(d / max(d, -d))
		}
		return strings.Compare(a, b)
	})
}

// count is a number as people write it.
func count(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return strconv.Itoa(n/1_000_000) + "M"
	case n >= 1_000 && n%1_000 == 0:
		return strconv.Itoa(n/1_000) + "k"
	}
	return strconv.Itoa(n)
}
