package loglines

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func onConsole(line string, colours bool) string {
	var b bytes.Buffer
	Console(colours)(&b, []byte(line))
	return b.String()
}

func TestConsole(t *testing.T) {
	f := func(want, line string) {
		t.Helper()
		assert.Equal(t, want+"\n", onConsole(line, false))
	}
	f(`12:30:43 INFO  200    98 µs  192.0.2.1        GET    a.example/x?y  size=12  backend=http://b:80  retries=0  backend_duration=75 µs  route=shop`,
		`{"level":"info","request":{"method":"GET","host":"a.example","uri":"/x?y","proto":"HTTP/1.1","client_ip":"192.0.2.1","remote_ip":"192.0.2.1"},"status":200,"size":12,"duration":0.000098196,"backend":"http://b:80","retries":0,"backend_duration":0.0000754,"route":"shop","request_id":"0123","ts":"2026-11-29T12:30:43.123Z","msg":"request"}`)
	f(`12:30:43 ERROR 503    1.5 s  2001:db8::1      POST   http://a/x  size=9  reason=no-backend`,
		`{"level":"error","request":{"method":"POST","host":"a","uri":"http://a/x","client_ip":"2001:db8::1"},"status":503,"size":9,"duration":1.51,"reason":"no-backend","ts":"2026-11-29T12:30:43Z","msg":"request"}`)
	f(`12:30:43 INFO  400   2.0 ms  192.0.2.1        -  size=0`,
		`{"level":"info","request":{"client_ip":"192.0.2.1"},"status":400,"size":0,"duration":0.002,"ts":1795955443.5,"msg":"request"}`)
	f(`12:30:43 WARN  backend is down  pool=a  probe="connect: connection refused"  probes=3  none=""`,
		`{"level":"warn","pool":"a","probe":"connect: connection refused","probes":3,"none":"","ts":"2026-11-29T12:30:43Z","msg":"backend is down"}`)
	f(`--:--:-- INFO  a\x1B[31mb\x22  n\xC3\xA9=\x5C\x0A`, `{"level":"info","né":"\\\n","msg":"a\u001b[31mb\""}`)
	f(`12:30:43 INFO  x  keys=a,b  of="{a=1 b={c=d\x22}}"  none=""  empty=""`,
		`{"level":"info","keys":["a","b"],"of":{"a":1,"b":{"c":"d\""}},"none":null,"empty":[],"ts":"2026-11-29T12:30:43Z","msg":"x"}`)
	assert.Equal(t, "no object\n", onConsole("no object\n", false))
	assert.Contains(t, onConsole(`{"level":"error","msg":"x"}`, true), "\x1b[31mERROR\x1b[0m")
}

func TestDurations(t *testing.T) {
	for seconds, want := range map[string]string{
		"0": "0.0 µs", "0.0000004": "0.4 µs", "0.000098196": "98 µs", "0.0015": "1.5 ms", "0.25": "250 ms", "1": "1.0 s", "75.4": "75 s", "x": "x",
	} {
		assert.Equal(t, want, durationOf(seconds))
	}
}

// Whatever is in a line, a terminal gets one line without control characters.
func FuzzConsole(f *testing.F) {
	f.Add("request", "GET", "/\x1b[2J\n\x7f", "a\"b")
	f.Add("x", "\u2028", "\x9b", "\\")
	f.Fuzz(func(t *testing.T, message, method, uri, name string) {
		line, err := json.Marshal(map[string]any{
			"level": "info", "msg": message, name: uri, "request": map[string]any{"method": method, "uri": uri, "host": name, "client_ip": uri}, "status": 200,
		})
		require.NoError(t, err)
		shown := onConsole(string(line), false)
		require.Equal(t, 1, strings.Count(shown, "\n"))
		require.True(t, strings.HasSuffix(shown, "\n"))
		for _, r := range strings.TrimSuffix(shown, "\n") {
			require.True(t, r >= ' ' && r <= '~' || r == 'µ', "%q", shown)
		}
		require.True(t, utf8.ValidString(shown))
	})
}
