package proxy

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/identity"
)

// A trace that came goes on as it is, and one that begins takes the place of what isn't valid. The
// log has the ids that the backend has.
func TestTraces(t *testing.T) {
	const came = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	b, got := answering(t, ok)
	lines := func() (all []string) {
		list := got.list()
		for line := range strings.Lines(list[len(list)-1]) {
			if strings.HasPrefix(strings.ToLower(line), "trace") {
				all = append(all, strings.TrimSpace(line))
			}
		}
		return all
	}
	for _, begin := range []bool{false, true} {
		s := settings()
		s.Tracing = identity.Tracing{Begin: begin, Sampled: 1}
		p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
		c := p.dial()
		assert.Equal(t, 200, c.do(get("x", "/", "traceparent: "+came, "tracestate: a=b")).StatusCode)
		assert.Equal(t, []string{"traceparent: " + came, "tracestate: a=b"}, lines())
		assert.Contains(t, p.loggedText(1), `"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331"`)

		assert.Equal(t, 200, c.do(get("x", "/", "traceparent: no", "tracestate: a=b")).StatusCode)
		if !begin {
			assert.Equal(t, []string{"traceparent: no", "tracestate: a=b"}, lines())
			assert.NotContains(t, p.loggedText(2), "trace_id")
			continue
		}
		require.Len(t, lines(), 1)
		parts := regexp.MustCompile(`^Traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-01$`).FindStringSubmatch(lines()[0])
		require.NotNil(t, parts, lines())
		assert.Contains(t, p.loggedText(2), `"trace_id":"`+parts[1]+`","span_id":"`+parts[2]+`"`)
	}
}

// loggedText is a line of the log, once there are n, as it is.
func (p *proxied) loggedText(n int) string {
	p.t.Helper()
	p.logged(n)
	return p.log.lines()[n-1]
}
