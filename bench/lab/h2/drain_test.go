//go:build linux

package h2

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"gopher-equalizer/bench/lab/h2/raw"
	"gopher-equalizer/bench/lab/testbed"
)

// A client is told twice to go away by a stop: at once, while connections are still accepted and
// what it has on its way is taken, and then with the last stream that was. What runs is finished,
// and the connection is closed.
func TestGoAway(t *testing.T) {
	release, asked := make(chan struct{}), make(chan struct{}, 10)
	free := sync.OnceFunc(func() { close(release) })
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			asked <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(func() { free(); backend.Close() })
	s := startServer(t, programs.racy, address(backend.URL), "[server]\ndrain_delay = \"5s\"\n")
	c, idle := dial(t, s.secure), dial(t, s.secure)
	held, err := c.Open(true, get("/held")...)
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	<-asked

	s.ending = true
	require.NoError(t, s.process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		_, err := testbed.Get(t.Context(), "http://"+s.admin+"/readyz")
		return err != nil
	}, patience, time.Millisecond)
	last, err := c.Open(true, get("/")...) // It hasn't read yet that it is told to go.
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	for _, one := range []*raw.Conn{idle, c} {
		require.NoError(t, one.Until(func() bool { return one.GoAway != nil }))
		assert.Equal(t, raw.GoAway{Last: 1<<31 - 1, Code: http2.ErrCodeNo}, *one.GoAway)
	}
	other := dial(t, s.secure)
	stream, err := other.Open(true, get("/")...)
	require.NoError(t, err)
	response, err := other.Await(stream)
	require.NoError(t, err)
	assert.Equal(t, 200, response.Status, "connections are still accepted")
	response, err = c.Await(last)
	require.NoError(t, err)
	assert.Equal(t, 200, response.Status)
	require.NoError(t, c.Until(func() bool { return c.GoAway.Last != 1<<31-1 }))
	assert.Equal(t, raw.GoAway{Last: last, Code: http2.ErrCodeNo}, *c.GoAway)

	free()
	response, err = c.Await(held)
	require.NoError(t, err)
	assert.Equal(t, "ok", string(response.Body))
	assert.ErrorIs(t, c.Until(func() bool { return false }), io.EOF)
	require.Eventually(t, s.process.Ended, patience, time.Millisecond)
}
