package main

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A backend to which no connection can be made costs no more than one that is stopped.
func TestBlackHoleWithFullBacklog(t *testing.T) { blackHole(t, fullHole(t), false) }

// fullHole is a listener that accepts no more, with a full backlog, and whose connections are
// silent.
func fullHole(t *testing.T) hole {
	f := startFaulty(t)
	return hole{f.url(), f.fill}
}

// fill has it accept and respond no more, and fills its backlog.
func (f *faulty) fill() {
	f.t.Helper()
	close(f.filled)
	raw, err := f.listener.Listener.(*net.TCPListener).SyscallConn()
	require.NoError(f.t, err)
	require.NoError(f.t, raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }))
	require.NoError(f.t, err)
	for {
		conn, err := net.DialTimeout("tcp", f.address, 500*time.Millisecond)
		if err != nil {
			return
		}
		f.t.Cleanup(func() { _ = conn.Close() })
	}
}
