package identity

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

func tracedBy(t require.TestingT, lines ...string) *http1.Request {
	h := new(http1.Request)
	text := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Join(lines, "\r\n")
	if len(lines) > 0 {
		text += "\r\n"
	}
	require.Nil(t, h.Parse([]byte(text+"\r\n")))
	return h
}

const trace1 = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestTraceIsTakenOver(t *testing.T) {
	f := func(want string, lines ...string) {
		t.Helper()
		got, begun := Tracing{}.AppendTrace(nil, tracedBy(t, lines...))
		assert.Equal(t, want, string(got))
		assert.False(t, begun)
		_, begun = Tracing{Begin: true}.AppendTrace(nil, tracedBy(t, lines...))
		assert.Equal(t, want == "", begun)
	}
	f(trace1, "traceparent: "+trace1)
	f(trace1, "Traceparent: "+trace1)
	f("cc"+trace1[2:], "traceparent: cc"+trace1[2:]+"-what-is-to-come")
	for _, bad := range []string{
		"", "00", trace1[:54], trace1 + "-x", "ff" + trace1[2:], "cc" + trace1[2:] + "x", strings.ToUpper(trace1),
		"00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		strings.Replace(trace1, "-", "_", 1), "0g" + trace1[2:], trace1[:53] + "0x",
	} {
		f("", "traceparent: "+bad)
	}
	f("", "traceparent: "+trace1, "traceparent: "+trace1)
	f("")
}

func TestTracesAreBegun(t *testing.T) {
	seen := map[string]bool{}
	f := func(sampled float64, want *regexp.Regexp) {
		t.Helper()
		for range 100 {
			got, begun := Tracing{Begin: true, Sampled: sampled}.AppendTrace(nil, tracedBy(t))
			require.True(t, begun)
			require.True(t, isTraceparent(got))
			require.Regexp(t, want, string(got))
			require.False(t, seen[string(got.ID())])
			seen[string(got.ID())] = true
		}
	}
	f(0, regexp.MustCompile("-00$"))
	f(1, regexp.MustCompile("-01$"))
	f(0.5, regexp.MustCompile("-0[01]$"))
	assert.Equal(t, "b7ad6b7169203331", string(Trace(trace1).Parent()))
}

func FuzzTraceparent(f *testing.F) {
	f.Add(trace1)
	form := regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$`)
	f.Fuzz(func(t *testing.T, value string) {
		found := form.FindStringSubmatch(value)
		want := found != nil && found[1] != "ff" && (found[4] == "" || found[1] != "00") && strings.Trim(found[2], "0") != "" && strings.Trim(found[3], "0") != ""
		if strings.ContainsAny(value, "\n") {
			return // Not in a field.
		}
		require.Equal(t, want, isTraceparent([]byte(value)))
	})
}

func TestTracingDoesNotAllocate(t *testing.T) {
	h, buf := tracedBy(t), make(Trace, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = Tracing{Begin: true, Sampled: 0.5}.AppendTrace(buf[:0], h) }))
}

func BenchmarkTrace(b *testing.B) {
	buf := make(Trace, 0, 64)
	for name, h := range map[string]*http1.Request{"none": tracedBy(b, "Accept: */*", "User-Agent: a", "Cookie: b"), "came": tracedBy(b, "traceparent: "+trace1)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				buf, _ = Tracing{}.AppendTrace(buf[:0], h)
			}
		})
	}
	b.Run("begun", func(b *testing.B) {
		h := tracedBy(b)
		for b.Loop() {
			buf, _ = Tracing{Begin: true, Sampled: 1}.AppendTrace(buf[:0], h)
		}
	})
}
