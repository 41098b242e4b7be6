package adminclient

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStream(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "Bearer t0ken", r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(":\n\nevent: line\ndata: {\"a\":1}\n\n:\n\nevent: left_out\ndata: {}\n\n"))
	})
	s, err := c.Stream(t.Context(), "/tail")
	require.NoError(t, err)
	defer s.Close()
	for _, want := range []Event{{"line", []byte(`{"a":1}`)}, {"left_out", []byte("{}")}} {
		got, err := s.Next()
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err = s.Next()
	assert.ErrorIs(t, err, ErrEnded)
}

func TestStreamThatIsRefused(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"detail":"16 streams are open"}`))
	})
	_, err := c.Stream(t.Context(), "/tail")
	assert.EqualError(t, err, "16 streams are open")

	c = client(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "text/html") })
	_, err = c.Stream(t.Context(), "/tail")
	assert.ErrorContains(t, err, "isn't of equalizer's admin API")
}

func TestStreamThatIsLeft(t *testing.T) {
	begun := make(chan struct{})
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		close(begun)
		<-r.Context().Done()
	})
	ctx, leave := context.WithCancel(t.Context())
	s, err := c.Stream(ctx, "/events")
	require.NoError(t, err)
	defer s.Close()
	<-begun
	leave()
	_, err = s.Next()
	assert.ErrorIs(t, err, context.Canceled)
}
