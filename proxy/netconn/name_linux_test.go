package netconn

import (
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// silent is an address that doesn't respond to connects: its queue has room for one, which is
// taken. It is not 127.0.0.1, where any connection may have the port.
func silent(t *testing.T, host [4]byte, port string) {
	t.Helper()
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: host, Port: number}))
	require.NoError(t, syscall.Listen(fd, 0))
	c, err := net.Dial("tcp", netip.AddrPortFrom(netip.AddrFrom4(host), uint16(number)).String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
}

// An address that doesn't respond takes its head start only. After that it is left out.
func TestDialsPassSilenceBy(t *testing.T) {
	port, _ := listenAll(t, "127.0.0.3")
	silent(t, [4]byte{127, 0, 0, 2}, port)
	d := NewDialer(BackendLimits{Connect: patience}, &fakeResolver{addrs: []string{"127.0.0.2", "127.0.0.3"}}, nil)
	for range 4 {
		assert.Equal(t, "127.0.0.3", dialName(t, d, port).remote())
	}
	addrs, err := d.names["app.test:"+port].addresses(t.Context())
	require.NoError(t, err)
	assert.Len(t, addrs, 1)
}

// With little time, each address has its part of it.
func TestDialsShareTheirTime(t *testing.T) {
	port, listeners := listenAll(t, "127.0.0.3")
	silent(t, [4]byte{127, 0, 0, 2}, port)
	d := NewDialer(BackendLimits{Connect: 200 * time.Millisecond}, &fakeResolver{addrs: []string{"127.0.0.2", "127.0.0.3"}}, nil)
	assert.Equal(t, "127.0.0.3", dialName(t, d, port).remote())

	require.NoError(t, listeners[0].Close())
	silent(t, [4]byte{127, 0, 0, 3}, port)
	_, err := d.Dial(t.Context(), Target{Network: "tcp", Addr: "app.test:" + port})
	assert.ErrorIs(t, err, ErrTimeout)
}
