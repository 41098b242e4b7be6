package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal opens a terminal of a size: the end of its user, and that of a program.
func openTerminal(t *testing.T, size [2]uint16) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(int(theirs.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: size[0], Row: size[1]}))
	return ours, theirs
}

// inTerminal runs a command whose output is a terminal of this size, until it has printed what is
// wanted and a signal comes. It returns what was printed.
func inTerminal(t *testing.T, size [2]uint16, want string, args ...string) string {
	t.Helper()
	ours, theirs := openTerminal(t, size)
	signals := make(chan os.Signal, 1)
	done := make(chan int)
	go func() {
		code := run(t.Context(), args, terminal{
			stdout: theirs, stderr: &bytes.Buffer{}, getenv: func(string) string { return "" },
			signals: func(...os.Signal) <-chan os.Signal { return signals }, kill: func(int) {},
		})
		theirs.Close() // so that reading ends
		done <- code
	}()
	var printed bytes.Buffer
	buf := make([]byte, 4096)
	interrupted := false
	for {
		n, err := ours.Read(buf)
		printed.Write(buf[:n])
		if err != nil { // The other end is closed.
			break
		}
		if !interrupted && strings.Contains(printed.String(), want) {
			interrupted = true
			signals <- os.Interrupt
		}
	}
	assert.Zero(t, <-done)
	return printed.String()
}

// In a terminal the view has a screen of its own, which fits. At the end the former one is back,
// with its cursor.
func TestTopInATerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(sampled(at)))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	printed := inTerminal(t, [2]uint16{60, 12}, restOfAll, "top", "--admin", strings.TrimPrefix(server.URL, "http://"))
	require.True(t, strings.HasPrefix(printed, enterScreen), "%q", printed)
	require.True(t, strings.HasSuffix(printed, leaveScreen), "%q", printed)
	_, view, found := strings.Cut(printed, toTheTop)
	require.True(t, found)
	assert.LessOrEqual(t, strings.Count(view, "\n"), 11)
	assert.Contains(t, view, "\x1b[1;31m1 of 2 backends down, limit client refuses 4.0/s\x1b[0m")
	assert.NotContains(t, view, "refused, 2s ago", "it is beyond the width")
}
