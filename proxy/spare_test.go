package proxy

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With no descriptors left, the connections to all backends that nobody uses make room.
func TestKeptConnectionsMakeRoom(t *testing.T) {
	ended := make(chan struct{}, 2)
	serve := func(c *conn, _ int) {
		c.readRequest()
		c.send(ok)
		c.untilEnd()
		ended <- struct{}{}
	}
	one, other := startBackend(t, serve), startBackend(t, serve)
	p := proxyTo(t, one.addr, other.addr)
	for range 2 {
		assert.Equal(t, "ok", p.dial().do(plainGet).body)
	}
	s := hostClientOf(p.pool.backends[0]).siblings

	f := func(fails ...error) (calls int, err error) {
		_, err = dialWith(s, func() (int, error) {
			calls++
			return 0, fails[calls-1]
		})
		return calls, err
	}
	refused := errors.New("refused")
	calls, err := f(refused)
	assert.Equal(t, 1, calls)
	require.ErrorIs(t, err, refused)
	assert.Empty(t, ended)

	none := fmt.Errorf("connect: %w", os.NewSyscallError("socket", syscall.EMFILE))
	calls, err = f(none, nil)
	assert.Equal(t, 2, calls)
	require.NoError(t, err)
	await(t, ended)
	await(t, ended)

	calls, err = f(none, none)
	assert.Equal(t, 2, calls, "it is tried again once")
	require.ErrorIs(t, err, syscall.EMFILE)
}
