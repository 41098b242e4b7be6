package adminclient

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/netconn/deadtest"
)

// A listener on all addresses is reached by loopback.
func TestAddresses(t *testing.T) {
	f := func(network, address, want string) {
		t.Helper()
		c, err := New(Settings{Network: network, Address: address})
		require.NoError(t, err)
		assert.Equal(t, want, c.Address())
	}
	f("tcp", "127.0.0.1:8080", "127.0.0.1:8080")
	f("tcp", ":8080", "127.0.0.1:8080")
	f("tcp", "0.0.0.0:8080", "127.0.0.1:8080")
	f("tcp", "[::]:8080", "[::1]:8080")
	f("tcp", "[2001:db8::1]:8080", "[2001:db8::1]:8080")
	f("tcp", "admin.internal:8080", "admin.internal:8080")
	f("unix", "/run/admin.sock", "unix:///run/admin.sock")
	for _, address := range []string{"", "8080", "localhost", "[::1]", "localhost:", "http://localhost:8080"} {
		_, err := New(Settings{Network: "tcp", Address: address})
		assert.ErrorContains(t, err, "want HOST:PORT, https://HOST:PORT or unix:///PATH", address)
	}
}

func client(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(Settings{Network: "tcp", Address: server.Listener.Addr().String(), Token: "t0ken", TokenFrom: "the test"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// Paths go as they are encoded, and bodies as JSON.
func TestCall(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "PATCH", r.Method)
		assert.Equal(t, "/backends/a%2Fhttp:%2F%2Fb?x=%3F", r.RequestURI)
		assert.Equal(t, "Bearer t0ken", r.Header.Get("Authorization"))
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Link", `</buckets?after=b>; rel="next"`)
		_, _ = w.Write([]byte("{\"n\":1}\n"))
	})
	got, err := c.Call(t.Context(), http.MethodPatch, "/backends/a%2Fhttp:%2F%2Fb?x=%3F", map[string]string{"state": "drain"})
	require.NoError(t, err)
	assert.Equal(t, Response{Body: []byte("{\"n\":1}\n"), Next: "/buckets?after=b"}, got)
	var into struct{ N string }
	assert.ErrorContains(t, c.Decode(got, &into), "JSON of another version")
}

func TestProblems(t *testing.T) {
	f := func(kind, body string, status int) error {
		t.Helper()
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
		_, err := c.Call(t.Context(), http.MethodGet, "/", nil)
		require.Error(t, err)
		return err
	}
	var problem *Problem
	err := f("application/problem+json", `{"type":"x","detail":"no","mistakes":[{"text":"bad"}],"reason":"starting"}`, 422)
	require.ErrorAs(t, err, &problem)
	require.EqualError(t, err, "no")
	assert.Equal(t, 422, problem.Status)
	assert.Equal(t, "bad", problem.Mistakes.Error())
	assert.Equal(t, "starting", problem.Reason)
	assert.EqualValues(t, 2e9, problem.RetryAfter)

	err = f("application/problem+json", `{"detail":"no"}`, 401)
	require.ErrorAs(t, err, &problem)
	require.EqualError(t, err, "no; the token is from the test")

	for _, another := range []error{
		f("text/html", "<p>no", 404), f("application/problem+json", "no JSON", 500), f("application/problem+json", "{}", 500),
		f("text/plain", "ok", 200), f("text/html", "<p>moved", 302),
	} {
		problem = nil
		assert.False(t, errors.As(another, &problem))
		assert.ErrorContains(t, another, "isn't of equalizer's admin API")
	}
}

func TestUnreachable(t *testing.T) {
	address := deadtest.Address(t)
	c, err := New(Settings{Network: "tcp", Address: address})
	require.NoError(t, err)
	_, err = c.Get(t.Context(), "/status", nil)
	assert.ErrorContains(t, err, "nothing listens on "+address)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Get(ctx, "/status", nil)
	require.ErrorIs(t, err, context.Canceled)

	cut := client(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err = cut.Get(t.Context(), "/status", nil)
	assert.EqualError(t, err, "the admin API at "+cut.Address()+" can't be reached: EOF")
	hidden := filepath.Join(t.TempDir(), "none", "admin.sock")
	c, err = New(Settings{Network: "unix", Address: hidden})
	require.NoError(t, err)
	_, err = c.Get(t.Context(), "/status", nil)
	assert.ErrorContains(t, err, "nothing listens on unix://"+hidden)
	assert.ErrorContains(t, c.unreachable(t.Context(), os.ErrPermission), "is not for this user: run this as root, or as a member of the socket's group")
}
