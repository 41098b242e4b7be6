package exposition

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/meter"
)

// odd is a name with all that must be escaped in a label.
const odd = "a\"b\\c\nd{e=\"f\"} é 1"

func durations(all ...time.Duration) (d meter.Distribution) {
	var h meter.Histogram
	for _, one := range all {
		h.Observe(one)
	}
	h.AddTo(&d)
	return d
}

// sources have something of everything.
func sources() api.Sources {
	now := api.Moment{Time: time.Now()}
	return api.Sources{
		Status: func() api.Status {
			return api.Status{
				Store:   &api.StoreStatus{Driver: "bolt", Up: true, Flushes: 3, LastFlush: now, LagSeconds: 1.5e-7},
				Limits:  []api.LimitStatus{{Name: "a", TakesStatus: api.TakesStatus{Allowed: 1 << 60}}, {Name: odd}},
				Reloads: api.ReloadsStatus{Done: 1, LastAt: now},
			}
		},
		Counts: func() api.Counts {
			traffic := api.Traffic{Route: odd, Pool: "www", Requests: []api.RequestCount{{Method: "GET", Code: "200", Count: 2}, {Method: "_OTHER", Code: "5xx", Count: 1}}}
			traffic.Durations[2] = durations(time.Microsecond, time.Second, time.Hour)
			traffic.Overhead = durations(time.Millisecond)
			return api.Counts{Traffic: []api.Traffic{{}, traffic}, Failures: []api.ReasonCount{{Reason: "no-route", Count: 1}}, Refused: []api.ReasonCount{{Reason: "tls", Count: 1}}}
		},
		Backends: func() []balancer.BackendStatus {
			return []balancer.BackendStatus{{Pool: "www", URL: "http://b", State: balancer.Ready}, {Pool: "www", URL: "unix:///c", State: balancer.Maint}}
		},
		Certificates: func() []api.Certificate {
			return []api.Certificate{{Names: []string{"a", "*.b"}, Key: "RSA 2048", NotAfter: now}}
		},
		Ready: func() api.Readiness { return api.Ready },
	}
}

// page is the response to GET /metrics for a reader that accepts what it says.
func page(t *testing.T, accept string) (body []byte, contentType string) {
	t.Helper()
	server := api.New(api.Settings{Version: "v1", WriteTimeout: time.Minute}, sources(), zerolog.Nop())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	defer func() {
		require.NoError(t, server.Shutdown(context.Background()))
		require.NoError(t, <-served)
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ln.Addr().String()+"/metrics", nil)
	require.NoError(t, err)
	req.Header.Set("Accept", accept)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, string(body))
	return body, resp.Header.Get("Content-Type")
}

// read is a page as Prometheus reads it: samples by their labels, kinds and help texts by name.
type read struct {
	samples map[string]float64
	kinds   map[string]model.MetricType
	helps   map[string]string
}

func parse(t *testing.T, body []byte, contentType string) read {
	t.Helper()
	p, err := textparse.New(body, contentType, "", false, false, false, labels.NewSymbolTable())
	require.NoError(t, err)
	got := read{map[string]float64{}, map[string]model.MetricType{}, map[string]string{}}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		require.NoError(t, err)
		switch entry {
		case textparse.EntryType:
			name, kind := p.Type()
			got.kinds[string(name)] = kind
		case textparse.EntryHelp:
			name, help := p.Help()
			got.helps[string(name)] = string(help)
		case textparse.EntrySeries:
			_, _, value := p.Series()
			var l labels.Labels
			p.Labels(&l)
			require.NotContains(t, got.samples, l.String(), "a sample comes once")
			got.samples[l.String()] = value
		}
	}
}

func TestPagesAreWhatPrometheusReads(t *testing.T) {
	var all []read
	for _, accept := range []string{"", "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3"} {
		body, contentType := page(t, accept)
		assert.Equal(t, accept != "", strings.HasPrefix(contentType, "application/openmetrics-text"))
		got := parse(t, body, contentType)
		for name, kind := range got.kinds {
			assert.NotEqual(t, model.MetricTypeUnknown, kind, name)
			assert.NotEmpty(t, got.helps[name], name)
		}
		require.Greater(t, len(got.samples), 80)
		all = append(all, got)
	}
	assert.Len(t, all[1].samples, len(all[0].samples))
	for name, value := range all[0].samples {
		if strings.Contains(name, "equalizer_heap_bytes") || strings.Contains(name, "equalizer_goroutines") || strings.Contains(name, "_timestamp_") || strings.Contains(name, "process_start_time") || strings.Contains(name, "not_after") {
			continue // They are of another moment.
		}
		require.Contains(t, all[1].samples, name)
		assert.InDelta(t, value, all[1].samples[name], math.SmallestNonzeroFloat64, name)
	}
	want := labels.FromStrings("__name__", "equalizer_requests_total", "route", odd, "pool", "www", "code", "200", "method", "GET")
	assert.EqualValues(t, 2, all[0].samples[want.String()])
	assert.Equal(t, model.MetricTypeCounter, all[0].kinds["equalizer_requests_total"])
	assert.Equal(t, model.MetricTypeCounter, all[1].kinds["equalizer_requests"])
	assert.Equal(t, model.MetricTypeInfo, all[1].kinds["equalizer_build"])
	for _, got := range all {
		assert.Equal(t, model.MetricTypeHistogram, got.kinds["equalizer_request_duration_seconds"])
	}
}
