package metrics

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/meter"
)

// written is a page with one of each kind.
func written(f Format) string {
	p := NewPage(f, 0)
	p.Begin("x_build", Info, "What it is.")
	p.Int(Labels("").With("version", "v1"), 1)
	p.Begin("x_requests", Counter, "Those that ended.")
	p.Int(Labels("").With("route", `a"\`+"\n\xff").With("code", "200"), 7)
	p.Begin("x_lag_seconds", Gauge, "How late.")
	p.Float("", 0.25)
	p.Bool(Labels("").With("up", "yes"), true)
	p.Begin("x_seconds", Histogram, "How long.")
	var h meter.Histogram
	h.Observe(20 * time.Microsecond)
	h.Observe(20 * time.Second)
	var d meter.Distribution
	h.AddTo(&d)
	p.Durations("", &d)
	p.Durations(Labels("").With("route", "a"), &d)
	p.Durations(Labels("").With("route", "unused"), &meter.Distribution{})
	return string(p.Bytes())
}

func TestText(t *testing.T) {
	page := written(Text)
	assert.True(t, strings.HasPrefix(page, `# HELP x_build_info What it is.
# TYPE x_build_info gauge
x_build_info{version="v1"} 1
# HELP x_requests_total Those that ended.
# TYPE x_requests_total counter
x_requests_total{route="a\"\\\n�",code="200"} 7
# HELP x_lag_seconds How late.
# TYPE x_lag_seconds gauge
x_lag_seconds 0.25
x_lag_seconds{up="yes"} 1
# HELP x_seconds How long.
# TYPE x_seconds histogram
x_seconds_bucket{le="0.00001"} 0
x_seconds_bucket{le="0.000025"} 1
`), page)
	assert.Contains(t, page, `
x_seconds_bucket{le="10"} 1
x_seconds_bucket{le="+Inf"} 2
x_seconds_sum 20.00002
x_seconds_count 2
x_seconds_bucket{route="a",le="0.00001"} 0
`)
	assert.True(t, strings.HasSuffix(page, "\nx_seconds_sum{route=\"a\"} 20.00002\nx_seconds_count{route=\"a\"} 2\n"), page)
}

func TestOpenMetrics(t *testing.T) {
	page := written(OpenMetrics)
	for _, part := range []string{
		"# HELP x_build What it is.\n# TYPE x_build info\nx_build_info{version=\"v1\"} 1\n",
		"# TYPE x_requests counter\nx_requests_total{",
		"x_seconds_bucket{le=\"10.0\"} 1\nx_seconds_bucket{le=\"+Inf\"} 2\n",
	} {
		assert.Contains(t, page, part)
	}
	assert.True(t, strings.HasSuffix(page, "\n# EOF\n"))
	assert.Equal(t, 1, strings.Count(page, "# EOF"))
}

// The boundaries hold those of OpenTelemetry for http.server.request.duration, and finer ones below
// them.
func TestBounds(t *testing.T) {
	all := boundLabelsOf(Text)
	for _, of := range []string{"0.0001", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5", "7.5", "10"} {
		assert.Contains(t, all, `le="`+of+`"} `)
	}
}

func TestAccepted(t *testing.T) {
	f := func(want Format, accept string) {
		t.Helper()
		assert.Equal(t, want, Accepted(accept), accept)
	}
	f(Text, "")
	f(Text, "*/*")
	f(Text, "text/plain")
	f(OpenMetrics, "application/openmetrics-text")
	f(OpenMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8")
	f(Text, "application/openmetrics-text; version=2.0.0")
	f(Text, "application/openmetrics-text;q=0")
	f(Text, "application/openmetrics-text;q=0.5,text/plain;version=0.0.4")
	f(OpenMetrics, "text/plain;q=0.5 , Application/OpenMetrics-Text;version=1.0.0;q=0.6")
	f(Text, "application/openmetrics-text;q=2")
	f(Text, "application/openmetrics-text;q=x")
	f(Text, "application/openmetrics-text;q=NaN")
	f(Text, ";;,,q=1,application/")
	// What Prometheus 2 and 3 send.
	f(OpenMetrics, "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
	f(OpenMetrics, "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
}

// A label's value has one line and one way to be read, whatever it is.
func FuzzLabel(f *testing.F) {
	for _, seed := range []string{"", "a", `\`, `"`, "\n", `\n`, `a\"`, "\xff\xfe", "\u2028", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		l := string(Labels("").With("a", value))
		require.NotContains(t, l, "\n")
		inner, ok := strings.CutPrefix(l, `{a="`)
		require.True(t, ok)
		inner, ok = strings.CutSuffix(inner, `"}`)
		require.True(t, ok)
		require.Equal(t, strings.ToValidUTF8(value, "\uFFFD"), unescaped(t, inner))
	})
}

// unescaped reads an escaped value as the specifications say.
func unescaped(t *testing.T, s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		require.NotEqual(t, byte('"'), s[i])
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		require.Less(t, i, len(s))
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case '\\', '"':
			b.WriteByte(s[i])
		default:
			t.Fatalf("an unknown escape: %q", s)
		}
	}
	return b.String()
}

// lines are as many as a scrape of 50 pools with 20 backends each has.
const lines = 50 * 20 * 30

func labelsOf(n int) []Labels {
	all := make([]Labels, n)
	for i := range all {
		all[i] = Labels("").With("pool", "pool-"+strconv.Itoa(i/20)).With("backend", "http://192.0.2."+strconv.Itoa(i%20)+":8080")
	}
	return all
}

func BenchmarkPage(b *testing.B) {
	labels := labelsOf(1000)
	size := 0
	for b.Loop() {
		p := NewPage(Text, size+size/8)
		for range lines / len(labels) {
			p.Begin("equalizer_backend_requests", Counter, "Requests that were sent to it.")
			for i := range labels {
				p.Int(labels[i], int64(i)*123457)
			}
		}
		size = len(p.Bytes())
	}
}
