package netconn

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A client that sends more than lingerBytes and reads late gets the whole response: lingering goes
// on while a part of the response hasn't reached it.
func TestLingerUntilTheResponseArrived(t *testing.T) {
	_, c, theirs := client(t, ClientLimits{})
	require.NoError(t, theirs.SetReadBuffer(4<<10))
	require.NoError(t, c.inner().(*net.TCPConn).SetWriteBuffer(1<<20))
	begin(t, c, theirs, "POST")
	response := text(1, 100_000)
	send(t, c, response)
	c.LeaveUnread()
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	much := make([]byte, lingerBytes)
	for range 2 {
		_, err := theirs.Write(much)
		require.NoError(t, err)
	}
	got, err := io.ReadAll(theirs)
	require.NoError(t, err)
	assert.True(t, response == string(got), "%d bytes of %d", len(got), len(response))
	require.NoError(t, theirs.Close())
	assert.NoError(t, <-closed)
}
