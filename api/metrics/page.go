// Package metrics writes what Prometheus and its kin read: pages in its text format
// (https://prometheus.io/docs/instrumenting/exposition_formats) and in OpenMetrics 1.0
// (https://prometheus.io/docs/specs/om/open_metrics_spec). It keeps nothing: what is counted is
// read for each page where it is counted.
//
// The libraries for it, client_golang and VictoriaMetrics/metrics, keep series of their own. Each
// request would write those beside the counters that /status and the live page read, and what
// leaves the configuration would have to be taken out of them. Here a series ends with what it
// counts.
package metrics

import (
	"strconv"
	"strings"

	"gopher-equalizer/proxy/meter"
)

// Kind is what a metric is.
type Kind string

const (
	// Counter only grows. Its samples have names that end in _total.
	Counter Kind = "counter"
	// Gauge goes up and down.
	Gauge Kind = "gauge"
	// Histogram counts durations by how long they are.
	Histogram Kind = "histogram"
	// Info is 1, with what it tells in labels. Its sample has a name that ends in _info.
	Info Kind = "info"
)

// Labels are those of a sample, as a page has them: {a="b",c="d"}. The zero value is none.
type Labels string

// escaper escapes a label's value, in both formats alike.
var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// With adds a label.
func (l Labels) With(name, value string) Labels {
	value = escaper.Replace(strings.ToValidUTF8(value, "\uFFFD"))
	return Labels(string(l.open()) + name + `="` + value + `"}`)
}

// open is what stands before another label.
func (l Labels) open() Labels {
	if l == "" {
		return "{"
	}
	return l[:len(l)-1] + ","
}

// Page is a page of metrics that is being written. All samples of a metric follow its Begin.
type Page struct {
	format Format
	buf    []byte
	// sample is the name of the metric's samples.
	sample string
}

// NewPage begins a page, which becomes some bytes long.
func NewPage(f Format, size int) *Page { return &Page{format: f, buf: make([]byte, 0, size)} }

// Begin begins a metric. The name is without the suffix that its kind has, the help without line
// ends, quotes and backslashes.
func (p *Page) Begin(name string, kind Kind, help string) {
	p.sample = name
	switch kind {
	case Counter:
		p.sample += "_total"
	case Info:
		p.sample += "_info"
	}
	if p.format == Text { // It names the samples, and knows no info.
		name = p.sample
		if kind == Info {
			kind = Gauge
		}
	}
	p.buf = append(p.buf, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+string(kind)+"\n"...)
}

// Int writes a sample.
func (p *Page) Int(l Labels, value int64) {
	p.begin("", l)
	p.buf = append(strconv.AppendInt(p.buf, value, 10), '\n')
}

// Float writes a sample.
func (p *Page) Float(l Labels, value float64) {
	p.begin("", l)
	p.buf = append(strconv.AppendFloat(p.buf, value, 'g', -1, 64), '\n')
}

// Bool writes a sample that is 1 or 0.
func (p *Page) Bool(l Labels, value bool) {
	n := int64(0)
	if value {
		n = 1
	}
	p.Int(l, n)
}

// Durations writes the samples of a histogram, in seconds. One that counted nothing has none.
func (p *Page) Durations(l Labels, d *meter.Distribution) {
	if d.Count() == 0 {
		return
	}
	all, bounds, open := int64(0), &boundLabels[p.format], l.open()
	for i, n := range d.Counts {
		all += n
		p.buf = append(append(append(append(p.buf, p.sample...), "_bucket"...), open...), bounds[i]...)
		p.buf = append(strconv.AppendInt(p.buf, all, 10), '\n')
	}
	p.begin("_sum", l)
	p.buf = append(strconv.AppendFloat(p.buf, d.Sum.Seconds(), 'g', -1, 64), '\n')
	p.begin("_count", l)
	p.buf = append(strconv.AppendInt(p.buf, all, 10), '\n')
}

// begin writes a sample up to its value.
func (p *Page) begin(suffix string, l Labels) {
	p.buf = append(append(append(append(p.buf, p.sample...), suffix...), l...), ' ')
}

// Bytes ends the page.
func (p *Page) Bytes() []byte {
	if p.format == OpenMetrics {
		p.buf = append(p.buf, "# EOF\n"...)
	}
	return p.buf
}
