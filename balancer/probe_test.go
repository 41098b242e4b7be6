package balancer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeProber answers as its functions do.
type fakeProber struct {
	connect func(ctx context.Context) error
	get     func(ctx context.Context, path, host string) (int, error)
}

func (p *fakeProber) Connect(ctx context.Context) error { return p.connect(ctx) }

func (p *fakeProber) Get(ctx context.Context, path, host string) (int, error) {
	return p.get(ctx, path, host)
}

// probed is what a probe with those settings finds at a backend.
func probed(t *testing.T, h HealthSettings, p *fakeProber) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), h.Timeout)
	defer cancel()
	return h.probe(ctx, p, "a")
}

func TestHTTPProbeJudgesTheStatus(t *testing.T) {
	f := func(status int, why string, statuses ...StatusRange) {
		t.Helper()
		h := HealthSettings{Type: HealthHTTP, Path: "/up", Timeout: time.Minute, Statuses: statuses}
		found, err := probed(t, h, &fakeProber{get: func(_ context.Context, path, host string) (int, error) {
			assert.Equal(t, "/up", path)
			assert.Equal(t, "a", host)
			return status, nil
		}})
		if why == "" {
			require.NoError(t, err)
			assert.Regexp(t, `^\d\d\d in \d+\.\dms$`, found)
			return
		}
		assert.Empty(t, found)
		require.Error(t, err)
		assert.Regexp(t, `^\d\d\d in \d+\.\dms; want `+why+`$`, err.Error())
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

func TestProbesSayWhyTheyFailed(t *testing.T) {
	late := func(ctx context.Context) error { <-ctx.Done(); return errors.New("connect: timed out") }
	for _, kind := range []HealthType{HealthHTTP, HealthTCP} {
		h := HealthSettings{Type: kind, Timeout: time.Minute, Host: "api.example.com"}
		_, err := probed(t, h, &fakeProber{
			connect: func(context.Context) error { return errRefused },
			get: func(_ context.Context, _, host string) (int, error) {
				assert.Equal(t, "api.example.com", host)
				return 0, errRefused
			},
		})
		assert.Equal(t, errRefused, err)

		h.Timeout = 20 * time.Millisecond
		_, err = probed(t, h, &fakeProber{
			connect: late,
			get:     func(ctx context.Context, _, _ string) (int, error) { return 0, late(ctx) },
		})
		assert.EqualError(t, err, "connect: timed out after 20ms")
	}
}
