//go:build linux

package load

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func server(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestConstantRateIsCountedExactly(t *testing.T) {
	var got, refused atomic.Int64
	address := server(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/10k", r.URL.Path)
		if got.Add(1)%10 == 0 {
			refused.Add(1)
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	out, err := Constant(t.Context(), Order{Shape: Shape{Rate: 500, Size: Ten}, Target: address, Time: 200 * time.Millisecond})
	require.NoError(t, err)
	assert.Equal(t, got.Load(), out.Answered)
	assert.Equal(t, refused.Load(), out.Refused)
	assert.Zero(t, out.Broken)
	assert.NoError(t, out.Check(got.Load()))
	assert.InDelta(t, 100, out.Answered, 20)
	assert.Len(t, out.Latency, len(Quantiles()))
}

func TestConstantRateTellsWhatBreaks(t *testing.T) {
	address := server(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	out, err := Constant(t.Context(), Order{Shape: Shape{Rate: 100, New: true}, Target: address, Time: 100 * time.Millisecond})
	require.NoError(t, err)
	assert.Zero(t, out.Answered)
	assert.NotZero(t, out.Broken)
	assert.Equal(t, out.Broken, out.Failures())
}

func TestConstantRateStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := server(t, func(http.ResponseWriter, *http.Request) { cancel() })
	_, err := Constant(ctx, Order{Shape: Shape{Rate: 100}, Target: address, Time: time.Hour})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestKeys(t *testing.T) {
	f := func(key Key) map[string]bool {
		t.Helper()
		var mu sync.Mutex
		seen := map[string]bool{}
		address := server(t, func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			seen[r.Header.Get(KeyHeader)] = true
		})
		_, err := Constant(t.Context(), Order{Shape: Shape{Rate: 1000}, Key: key, Target: address, Time: 50 * time.Millisecond})
		require.NoError(t, err)
		return seen
	}
	assert.Equal(t, map[string]bool{"": true}, f(NoKey))
	assert.Equal(t, map[string]bool{"client-1": true}, f(OneKey))
	random := f(RandomKeys)
	assert.Greater(t, len(random), 10)
	for key := range random {
		assert.Regexp(t, `^client-1\d{6}$`, key)
	}
}

func TestIdleConnectionsStayOpen(t *testing.T) {
	var answered atomic.Int64
	address := server(t, func(http.ResponseWriter, *http.Request) { answered.Add(1) })
	idle, err := OpenIdle(t.Context(), address, Clear, 3)
	require.NoError(t, err)
	defer idle.Close()
	assert.Len(t, idle, 3)
	assert.Equal(t, int64(3), answered.Load())
}

func TestIdleConnectionsThatAreNotKept(t *testing.T) {
	address := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	_, err := OpenIdle(t.Context(), address, Clear, 3)
	assert.ErrorContains(t, err, "connection 1 of 3: status 200, closing: true; want 200, kept open")
}
