package outcome

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/mask"
)

// lines are those of a log in the combined format.
type lines struct{ all []string }

func (l *lines) WriteLevel(_ zerolog.Level, line []byte) (int, error) {
	l.all = append(l.all, string(line))
	return len(line), nil
}

// asked is the outcome of a request with more header lines.
func asked(t *testing.T, target, more string) *Outcome {
	t.Helper()
	o := &Outcome{Head: new(http1.Request), Status: 200, Size: 12}
	o.From.Addr, o.From.Peer = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.9")
	require.Nil(t, o.Head.Parse([]byte("GET "+target+" HTTP/1.1\r\nHost: a\r\n"+more+"\r\n")))
	return o
}

func TestCombined(t *testing.T) {
	l := &Log{Masked: mask.New(mask.Default)}
	at := time.Date(2026, 11, 29, 12, 0, 1, 0, time.FixedZone("", 3600))
	f := func(want string, o *Outcome) {
		t.Helper()
		assert.Equal(t, want+"\n", string(l.appendCombined(nil, o, at)))
	}
	f(`192.0.2.1 - - [29/Nov/2026:11:00:01 +0000] "GET /a?b=c HTTP/1.1" 200 12 "https://x/?token=***" "curl/8 \x22\x5C\x22 \xC3\xA9"`,
		asked(t, "/a?b=c", "Referer: https://x/?token=hush\r\nUser-Agent: curl/8 \"\\\" é\r\n"))
	f(`192.0.2.1 - - [29/Nov/2026:11:00:01 +0000] "GET /?%74oken=*** HTTP/1.1" 200 12 "-" "me (+http://a; me@b)"`,
		asked(t, "/?%74oken=hush", "User-Agent: me (+http://a; me@b)\r\n"))
	f(`unknown - - [29/Nov/2026:11:00:01 +0000] "-" 400 0 "-" "-"`, &Outcome{Status: 400})
}

// Whatever a client sends, it is one line of printable ASCII, and no quote ends a part of it.
func FuzzCombined(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\"b\\c\x1b[31m\r\nReferer: \xff?token=\x80&a\r\n\r\n")
	f.Add("GET /\x80\" HTTP/1.1\r\nHost: a\r\n\r\n")
	l := &Log{Masked: mask.New(mask.Default)}
	f.Fuzz(func(t *testing.T, text string) {
		o := Outcome{Head: new(http1.Request), Status: 200}
		n := http1.HeadEnd([]byte(text), 0)
		_ = o.Head.Parse([]byte(text[:n]))
		line := string(l.appendCombined(nil, &o, time.Now()))
		require.True(t, strings.HasSuffix(line, "\"\n"))
		line = strings.TrimSuffix(line, "\n")
		for _, c := range []byte(line) {
			require.True(t, c >= ' ' && c <= '~', "%q", line)
		}
		require.Equal(t, 6, strings.Count(line, `"`), line)
	})
}

func FuzzAppendEscaped(f *testing.F) {
	f.Add([]byte("a\"\\\x00\x7f\xff é"))
	f.Fuzz(func(t *testing.T, text []byte) {
		escaped := string(AppendEscaped(nil, text))
		var want strings.Builder
		for _, c := range text {
			if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
				fmt.Fprintf(&want, `\x%02X`, c)
			} else {
				want.WriteByte(c)
			}
		}
		require.Equal(t, want.String(), escaped)
	})
}

// JSON has the headers that are asked for, as Caddy has them, and masks what is a target.
func TestLoggedHeaders(t *testing.T) {
	var out strings.Builder
	l := &Log{
		Access: true, Masked: mask.New(mask.Default), Headers: []string{"User-Agent", "X-Seen", "Referer", "X-Original-URL", "X-None"},
		JSON: zerolog.LevelWriterAdapter{Writer: &out},
	}
	o := asked(t, "/?key=hush&a=b", "user-agent: me@x\r\nReferer: https://u:hush@x/?code=hush\r\nX-Seen: 1\r\nx-seen: 2\r\nX-Original-Url: /?sig=hush\r\nCookie: hush\r\n")
	l.write(o)
	var line struct {
		Request struct {
			URI     string
			Headers map[string][]string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out.String()), &line))
	assert.Equal(t, "/?key=***&a=b", line.Request.URI)
	assert.Equal(t, map[string][]string{
		"User-Agent": {"me@x"}, "X-Seen": {"1", "2"}, "Referer": {"https://x/?code=***"}, "X-Original-URL": {"/?sig=***"},
	}, line.Request.Headers)
	assert.NotContains(t, out.String(), "hush")
}

// Which requests get a line.
func TestLogWants(t *testing.T) {
	f := func(l Log, status int, took time.Duration, failure *Failure, want bool) {
		t.Helper()
		o := &Outcome{Status: status, Why: Why{Failure: failure}}
		o.Times.spent[ClientPart] = took
		wanted, _ := l.wants(o)
		assert.Equal(t, want, wanted)
	}
	f(Log{}, 200, 0, nil, false)
	f(Log{Access: true}, 200, 0, nil, true)
	least := Log{Access: true, LeastStatus: 400}
	f(least, 399, 0, nil, false)
	f(least, 400, 0, nil, true)
	slow := Log{Access: true, LeastStatus: 600, Slow: time.Second, Sample: 1 << 31}
	f(slow, 500, time.Second-1, nil, false)
	f(slow, 200, time.Second, nil, true)
	f(slow, 503, 0, NoBackend, true)
	f(slow, 404, 0, NoRoute, false)

	sample, logged := &Log{Access: true, Sample: 10}, 0
	for range 10_000 {
		if wanted, oneIn := sample.wants(&Outcome{Status: 200}); wanted {
			assert.Equal(t, sample.Sample, oneIn)
			logged++
		}
	}
	assert.InDelta(t, 1000, logged, 300) // ten times the deviation
}

// Lines below the lowest level are left out, in either format.
func TestLogLevels(t *testing.T) {
	written := func(level zerolog.Level, failure *Failure) (json, combined int) {
		var events, requests lines
		l := Log{Access: true, Level: level, JSON: &events}
		o := asked(t, "/", "")
		if failure != nil {
			o.Fail(failure)
		}
		l.write(o)
		json = len(events.all)
		l.Combined = &requests
		l.write(o)
		return json, len(requests.all)
	}
	f := func(level zerolog.Level, failure *Failure, wantJSON, wantCombined int) {
		t.Helper()
		json, combined := written(level, failure)
		assert.Equal(t, []int{wantJSON, wantCombined}, []int{json, combined})
	}
	f(zerolog.DebugLevel, nil, 1, 1)
	f(zerolog.InfoLevel, nil, 1, 1)
	f(zerolog.WarnLevel, nil, 0, 0)
	f(zerolog.InfoLevel, NoBackend, 1, 1)
	f(zerolog.WarnLevel, NoBackend, 1, 0)
	f(zerolog.ErrorLevel, NoBackend, 1, 0)
	f(zerolog.InfoLevel, ClientShare, 1, 1)
	f(zerolog.WarnLevel, ClientShare, 0, 0)
}

// Lines of requests go to one place in the combined format, and why we failed to serve one to
// another in JSON.
func TestCombinedKeepsReasons(t *testing.T) {
	var events strings.Builder
	var requests lines
	l := &Log{Access: true, Combined: &requests, JSON: zerolog.LevelWriterAdapter{Writer: &events}}
	r := NewRecorder(zerolog.Nop())
	r.Record(asked(t, "/", ""), l)
	assert.Empty(t, events.String())
	o := asked(t, "/", "")
	o.Responds(503)
	o.Fail(NoBackend)
	r.Record(o, l)
	assert.Len(t, requests.all, 2)
	assert.Contains(t, requests.all[1], ` 503 `)
	assert.Contains(t, events.String(), `"reason":"no-backend"`)
	l = &Log{Combined: &requests}
	r.Record(asked(t, "/", ""), l)
	assert.Len(t, requests.all, 2)
}

func TestLoggingDoesNotAllocate(t *testing.T) {
	for name, l := range map[string]*Log{
		"json":     {Access: true, Masked: mask.New(mask.Default), Headers: []string{"User-Agent", "Referer"}, JSON: discard{}},
		"combined": {Access: true, Masked: mask.New(mask.Default), Combined: discard{}},
	} {
		o := asked(t, "/a?token=x&b=c", "User-Agent: me\r\nReferer: https://x/?key=y\r\n")
		assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() { l.write(o) }), float64(mostAllocs), name)
	}
}

type discard struct{}

func (discard) WriteLevel(_ zerolog.Level, p []byte) (int, error) { return len(p), nil }
