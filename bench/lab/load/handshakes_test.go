//go:build linux

package load

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/netconn/deadtest"
)

// Each request has a full handshake with X25519 and TLS 1.3, a connection of its own, and its key.
func TestHandshakes(t *testing.T) {
	var requests, others atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		full := r.TLS.Version == tls.VersionTLS13 && r.TLS.CurveID == tls.X25519 && !r.TLS.DidResume
		if !full || !r.Close || r.URL.Path != "/small" || !strings.HasPrefix(r.Header.Get(KeyHeader), "client-") {
			others.Add(1)
		}
		if requests.Load()%2 == 0 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(server.Close)
	order := Order{
		Shape: Shape{Connections: 2, Size: Small, New: true, TLS: true}, Key: RandomKeys,
		Target: server.Listener.Addr().String(), Time: 50 * time.Millisecond,
	}
	out, err := Handshakes(t.Context(), order)
	require.NoError(t, err)
	assert.Positive(t, out.Answered)
	assert.Positive(t, out.Refused)
	assert.Equal(t, requests.Load(), out.Answered)
	assert.Zero(t, out.Broken)
	assert.Zero(t, others.Load())
	assert.Len(t, out.Latency, len(Quantiles()))

	deadtest.Close(t, server.Listener)
	server.Close()
	out, err = Handshakes(t.Context(), order)
	require.NoError(t, err)
	assert.Zero(t, out.Answered)
	assert.Positive(t, out.Broken)
}

func TestIdleConnectionsByTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, err := OpenIdle(t.Context(), server.Listener.Addr().String(), Secure, 2)
	assert.ErrorContains(t, err, "connection 1 of 2: status 404, closing: false; want 200, kept open")
}
