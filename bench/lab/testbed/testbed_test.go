//go:build linux

package testbed

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/child"
)

// TestClose ends what was started, the last first, and removes the folder.
func TestClose(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	bed, err := Open("test")
	require.NoError(t, err)
	process, err := bed.Start(child.Program{Path: "/bin/sh", Args: []string{"-c", "sleep 60"}})
	require.NoError(t, err)
	var ended []string
	bed.Finally(func() { ended = append(ended, "first") })
	bed.Finally(func() {
		ended = append(ended, "last")
		assert.False(t, process.Ended())
	})
	bed.Close()
	assert.True(t, process.Ended())
	assert.Equal(t, []string{"last", "first"}, ended)
	assert.NoDirExists(t, bed.Dir)
}

func TestBackendsCount(t *testing.T) {
	bed, err := Open("test")
	require.NoError(t, err)
	t.Cleanup(bed.Close)
	require.NoError(t, bed.Build(t.Context(), Backend))
	backends, err := bed.Backends()
	require.NoError(t, err)
	require.Len(t, backends.Addresses, 3)
	for _, n := range []int{0, 1, 1} {
		_, err := Get(t.Context(), "http://"+backends.Addresses[n]+"/small")
		require.NoError(t, err)
	}
	counts, err := backends.Settled(t.Context(), 3)
	require.NoError(t, err)
	assert.Equal(t, []int64{1, 2, 0}, counts)
}

func TestGet(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"N":3}`))
	}))
	t.Cleanup(server.Close)
	var v struct{ N int }
	require.NoError(t, GetJSON(t.Context(), server.URL, &v))
	assert.Equal(t, 3, v.N)
	_, err := Get(t.Context(), server.URL+"/busy")
	assert.EqualError(t, err, server.URL+"/busy: 503 Service Unavailable: later")
}
