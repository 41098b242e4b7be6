//go:build unix

package loglines

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// closing is a reader that is told when nothing more comes.
type closing struct {
	reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// Another output gets the lines from then on, and the former one is closed, also where a third
// takes its place at once.
func TestOutputsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, third := &closing{}, &closing{}, &closing{}
		w := New(first, nil)
		warn(t, w, "one")
		synctest.Wait()
		w.To(second)
		w.To(third)
		synctest.Wait()
		assert.True(t, first.closed)
		assert.True(t, second.closed)
		warn(t, w, "two")
		w.Close()
		assert.True(t, third.closed)
		assert.Equal(t, []string{"one"}, first.lines())
		assert.Equal(t, []string{"two"}, third.lines())
		assert.Zero(t, w.Dropped())
	})
}

// syslogd is a syslog that keeps what it is sent.
func syslogd(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func message(t *testing.T, from *net.UnixConn) string {
	t.Helper()
	require.NoError(t, from.SetReadDeadline(time.Now().Add(10*time.Second)))
	buf := make([]byte, 64<<10)
	n, err := from.Read(buf)
	require.NoError(t, err)
	return string(buf[:n])
}

// Each line is a message, with the severity of its level, in ASCII, and JSON stays what it is.
func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	_, err := DialSyslog(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	daemon := syslogd(t, path)
	s, err := DialSyslog(path)
	require.NoError(t, err)
	defer s.Close()
	f := func(priority, line string) string {
		t.Helper()
		got := message(t, daemon)
		assert.Regexp(t, `^<`+priority+`>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+\[\d+\]: `, got)
		_, text, _ := strings.Cut(got, "]: ")
		for _, c := range []byte(text) {
			assert.True(t, c >= ' ' && c <= '~', "%q", text)
		}
		if line != "" {
			assert.Equal(t, line, text)
		}
		return text
	}
	const odd = "é\x7f\U0001F600"
	object, err := json.Marshal(map[string]string{"msg": odd})
	require.NoError(t, err)
	n, err := s.Write([]byte("{\"level\":\"error\",\"a\":1}\n" + string(object) + "\n1.2.3.4 - - []\n{\"level\":\"debug\"}\n{\"level\":\"warn\"}\n"))
	require.NoError(t, err)
	assert.Positive(t, n)
	f("27", `{"level":"error","a":1}`)
	var back map[string]string
	require.NoError(t, json.Unmarshal([]byte(f("30", "")), &back))
	assert.Equal(t, odd, back["msg"])
	f("30", "1.2.3.4 - - []")
	f("31", `{"level":"debug"}`)
	f("28", `{"level":"warn"}`)

	// It is started again, and then it is gone.
	require.NoError(t, daemon.Close())
	require.NoError(t, os.Remove(path))
	daemon = syslogd(t, path)
	_, err = s.Write([]byte("{}\n"))
	require.NoError(t, err)
	f("30", "{}")
	require.NoError(t, daemon.Close())
	require.NoError(t, os.Remove(path))
	n, err = s.Write([]byte("{}\n{}\n"))
	require.Error(t, err)
	assert.Zero(t, n)
}
