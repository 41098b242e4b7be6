package balancer

import (
	"context"
	"errors"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeProber answers as its functions do.
type fakeProber struct {
	connect func(ctx context.Context) error
	ask     func(ctx context.Context, r ProbeRequest) (ProbeResponse, error)
	retired atomic.Int64
}

func (p *fakeProber) Retire() { p.retired.Add(1) }

func (p *fakeProber) Connect(ctx context.Context, _ int) error { return p.connect(ctx) }

func (p *fakeProber) Ask(ctx context.Context, r ProbeRequest) (ProbeResponse, error) {
	return p.ask(ctx, r)
}

// probed is what a probe with those settings finds at a backend.
func probed(t *testing.T, h HealthSettings, p *fakeProber) finding {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), h.Timeout)
	defer cancel()
	return h.probe(ctx, p, "a")
}

func TestHTTPProbeJudgesTheStatus(t *testing.T) {
	f := func(status int, why string, statuses ...StatusRange) {
		t.Helper()
		h := HealthSettings{Type: HealthHTTP, Path: "/up", Timeout: time.Minute, Statuses: statuses}
		f := probed(t, h, &fakeProber{ask: func(_ context.Context, r ProbeRequest) (ProbeResponse, error) {
			assert.Equal(t, ProbeRequest{Method: "GET", Path: "/up", Host: "a"}, r)
			return ProbeResponse{Status: status}, nil
		}})
		assert.Positive(t, f.took)
		if why == "" {
			require.NoError(t, f.err)
			assert.Regexp(t, `^\d\d\d in \d+\.\dms$`, f.what)
			return
		}
		require.Error(t, f.err)
		assert.Regexp(t, `^\d\d\d in \d+\.\dms; want `+why+`$`, f.err.Error())
	}
	ok, denied := StatusRange{First: 200, Last: 299}, StatusRange{First: 401, Last: 401}
	f(200, "")
	f(302, "")
	f(499, "")
	f(500, "below 500")
	f(503, "below 500")
	f(401, "", ok, denied)
	f(299, "", ok, denied)
	f(503, "", StatusRange{First: 503, Last: 503})
	f(404, "200-299, 401", ok, denied)
	f(302, "200-299, 401", ok, denied)
}

func TestHTTPProbeSendsWhatItsSettingsSay(t *testing.T) {
	h := HealthSettings{
		Type: HealthHTTP, Port: 81, Method: "OPTIONS", Path: "/up", Host: "b", Timeout: time.Minute,
		Fields: []ProbeField{{"Authorization", "Bearer x"}}, Body: regexp.MustCompile("ok"), AdviceField: "X-Weight",
	}
	f := probed(t, h, &fakeProber{ask: func(_ context.Context, r ProbeRequest) (ProbeResponse, error) {
		assert.Equal(t, ProbeRequest{
			Port: 81, Method: "OPTIONS", Path: "/up", Host: "b",
			Fields: []ProbeField{{"Authorization", "Bearer x"}}, Body: MaxProbedBody, Field: "X-Weight",
		}, r)
		return ProbeResponse{Status: 200, Body: []byte("all ok"), Field: "50%"}, nil
	}})
	require.NoError(t, f.err)
	assert.Equal(t, &Advice{Less: 50}, f.advice)
}

func TestHTTPProbeJudgesTheBody(t *testing.T) {
	h := HealthSettings{Type: HealthHTTP, Path: "/", Timeout: time.Minute, Body: regexp.MustCompile("^o.$")}
	f := func(body, why string) {
		t.Helper()
		f := probed(t, h, &fakeProber{ask: func(context.Context, ProbeRequest) (ProbeResponse, error) {
			return ProbeResponse{Status: 200, Body: []byte(body)}, nil
		}})
		if why == "" {
			require.NoError(t, f.err)
			return
		}
		require.Error(t, f.err)
		assert.Regexp(t, why, f.err.Error())
	}
	f("ok", "")
	f("no", `^200 in \d+\.\dms; want a body with \^o\.\$, in its first 65536 bytes$`)
	f("", "want a body")
}

func TestProbesSayWhyTheyFailed(t *testing.T) {
	late := func(ctx context.Context) error { <-ctx.Done(); return errors.New("connect: timed out") }
	for _, kind := range []HealthType{HealthHTTP, HealthTCP} {
		h := HealthSettings{Type: kind, Timeout: time.Minute, Host: "api.example.com"}
		f := probed(t, h, &fakeProber{
			connect: func(context.Context) error { return errRefused },
			ask: func(_ context.Context, r ProbeRequest) (ProbeResponse, error) {
				assert.Equal(t, "api.example.com", r.Host)
				return ProbeResponse{}, errRefused
			},
		})
		assert.Equal(t, errRefused, f.err)

		h.Timeout = 20 * time.Millisecond
		f = probed(t, h, &fakeProber{
			connect: late,
			ask: func(ctx context.Context, _ ProbeRequest) (ProbeResponse, error) {
				return ProbeResponse{}, late(ctx)
			},
		})
		assert.EqualError(t, f.err, "connect: timed out after 20ms")
	}
}
