package metrics

import (
	"mime"
	"strconv"
	"strings"

	"gopher-equalizer/proxy/meter"
)

// Format is how a page is written.
type Format int

const (
	// Text is Prometheus' text format.
	Text Format = iota
	// OpenMetrics is the format of that name.
	OpenMetrics
)

// The names of both, with the versions that are written.
const (
	textType, textVersion = "text/plain", "0.0.4"
	openType, openVersion = "application/openmetrics-text", "1.0.0"
)

// ContentType is the media type of a page.
func (f Format) ContentType() string {
	if f == OpenMetrics {
		return openType + "; version=" + openVersion + "; charset=utf-8"
	}
	return textType + "; version=" + textVersion + "; charset=utf-8"
}

// Accepted is the format that a reader prefers, as its Accept says. It is Text unless OpenMetrics
// is named, and at least as welcome.
func Accepted(accept string) Format {
	var text, open float64
	for item := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		weight := weightOf(params["q"])
		switch {
		case name == openType && (params["version"] == "" || params["version"] == openVersion):
			open = max(open, weight)
		case name == textType && (params["version"] == "" || params["version"] == textVersion):
			text = max(text, weight)
		}
	}
	if open > 0 && open >= text {
		return OpenMetrics
	}
	return Text
}

// weightOf is how welcome a type is, from 0 to 1 (RFC 9110, section 12.4.2).
func weightOf(q string) float64 {
	if q == "" {
		return 1
	}
	weight, err := strconv.ParseFloat(q, 64)
	if err != nil || !(weight >= 0 && weight <= 1) {
		return 0
	}
	return weight
}

// boundLabels are the last labels of the buckets of a histogram, up to the value.
var boundLabels = [...][meter.Buckets]string{Text: boundLabelsOf(Text), OpenMetrics: boundLabelsOf(OpenMetrics)}

// boundLabelsOf are those of one format. OpenMetrics wants bounds to look like floats.
func boundLabelsOf(f Format) (all [meter.Buckets]string) {
	for i := range meter.Buckets - 1 {
		bound := strconv.FormatFloat(meter.Bound(i).Seconds(), 'f', -1, 64)
		if f == OpenMetrics && !strings.Contains(bound, ".") {
			bound += ".0"
		}
		all[i] = `le="` + bound + `"} `
	}
	all[meter.Buckets-1] = `le="+Inf"} `
	return all
}
