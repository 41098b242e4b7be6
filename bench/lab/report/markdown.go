//go:build linux

package report

import (
	"embed"
	"fmt"
	"io"
	"math"
	"strconv"
	"text/template"
	"time"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
)

//go:embed *.tmpl
var pages embed.FS

// none stands for a missing figure.
const none = "-"

// Markdown writes the whole report for people. It refers to plots next to it.
func (r *Report) Markdown(w io.Writer) error { return r.page(w, "report.md.tmpl") }

// Summary writes the page that is kept in the tree. It refers to one plot next to it.
func (r *Report) Summary(w io.Writer) error { return r.page(w, "kept.md.tmpl") }

func (r *Report) page(w io.Writer, name string) error {
	t, err := template.New(name).Funcs(template.FuncMap{
		"name":         proxyName,
		"spread":       writeSpread,
		"number":       writeNumber,
		"megabytes":    func(bytes float64) string { return fixed(bytes/1e6, 1) },
		"duration":     func(d time.Duration) string { return d.Round(100 * time.Millisecond).String() },
		"percent":      writePercent,
		"yes":          writeYes,
		"limit":        writeLimit,
		"stability":    r.stability,
		"totals":       r.totals,
		"overviewPlot": func() string { return OverviewPlot },
		"cpuPlot":      func(s load.Shape) string { return CPUPlot(s) },
		"latencyPlot":  func(s load.Shape) string { return LatencyPlot(s) },
	}).ParseFS(pages, "*.tmpl")
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}

// proxyName marks our rows.
func proxyName(c *Cell) string {
	if c.Role == peers.Ours {
		return "**" + c.Proxy + "**"
	}
	return c.Proxy
}

// writeSpread is "12.3 (11.9-13.0)", with that many decimals.
func writeSpread(spread any, decimals int) string {
	var s Spread
	switch v := spread.(type) {
	case Spread:
		s = v
	case *Spread:
		if v == nil {
			return none
		}
		s = *v
	case *Ratio:
		if v == nil {
			return none
		}
		s = Spread{v.Value, v.Min, v.Max}
	case Ratio:
		s = Spread{v.Value, v.Min, v.Max}
	}
	return fmt.Sprintf("%s (%s-%s)", fixed(s.Median, decimals), fixed(s.Min, decimals), fixed(s.Max, decimals))
}

// writePercent is a fraction as "3.1 %".
func writePercent(fraction *float64) string {
	if fraction == nil {
		return none
	}
	return fixed(100**fraction, 1) + " %"
}

// writeLimit is a bar or an aim, with the decimals that ratios have.
func writeLimit(b Bar, most float64) string {
	if b.Unit != "" {
		return strconv.FormatFloat(most, 'f', -1, 64) + " " + b.Unit
	}
	return fixed(most, 2)
}

func writeYes(so bool) string {
	if so {
		return "yes"
	}
	return "**no**"
}

// stability is how noisy our ratios are, all together.
func (r *Report) stability() string {
	all := r.noises()
	if len(all) == 0 {
		return "Fewer than three rounds don't tell how noisy the ratios are."
	}
	s := Over(all)
	return fmt.Sprintf("Of the %d ratios of ours to the cheapest peer in this report, the noise is %s for the median one and %s for the noisiest.",
		len(all), writePercent(&s.Median), writePercent(&s.Max))
}

func writeNumber(n *float64, decimals int) string {
	if n == nil {
		return none
	}
	return fixed(*n, decimals)
}

func fixed(x float64, decimals int) string {
	if decimals == 0 {
		return load.Thousands(int64(math.Round(x)))
	}
	return strconv.FormatFloat(x, 'f', decimals, 64)
}

// totals compares reported and counted requests, and names every run in which they don't match.
func (r *Report) totals() string {
	answered, refused, broken, open, counted := r.Totals()
	text := fmt.Sprintf("%s requests were answered, %s of them with an error status; %s broke. The backends counted %s. ",
		load.Thousands(answered), load.Thousands(refused), load.Thousands(broken), load.Thousands(counted))
	if n := r.logged(); n > 0 {
		text += fmt.Sprintf("Access logs had %s lines, of these and of the warm-ups. ", load.Thousands(n))
	}
	text += fmt.Sprintf("When runs ended, up to %s requests were open: one for each of wrk's connections.\n", load.Thousands(open))
	wrong := r.Mismatches()
	if len(wrong) == 0 {
		return text + "In every single run these agree within what was open."
	}
	for _, w := range wrong {
		text += "\n- " + w
	}
	return text
}

// logged are the lines of access logs, of all runs.
func (r *Report) logged() (lines int64) {
	for _, c := range r.Cells {
		for _, run := range c.Runs {
			lines += run.Logged
		}
	}
	return lines
}

// both sums up the warm-up and the run: the access log isn't cleared between them.
func (r Run) both() load.Outcome {
	return load.Outcome{
		Answered: r.WarmUp.Answered + r.Answered, Refused: r.WarmUp.Refused + r.Refused,
		Broken: r.WarmUp.Broken + r.Broken, Open: r.WarmUp.Open + r.Open,
	}
}

// Mismatches names the runs in which the backends or the access log counted other requests than the
// load can have sent.
func (r *Report) Mismatches() []string {
	var wrong []string
	for _, c := range r.Cells {
		for _, run := range c.Runs {
			in := fmt.Sprintf("%s, limiter %s, %s, round %d", c.Proxy, c.Limiter, c.Load, run.Round)
			if err := run.Check(run.Counted); err != nil {
				wrong = append(wrong, fmt.Sprintf("%s: the backends %v", in, err))
			}
			if err := run.both().Check(run.Logged); err != nil && c.Logs {
				wrong = append(wrong, fmt.Sprintf("%s: the access log %v", in, err))
			}
		}
	}
	return wrong
}
