package rewrite

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/http1/http1test"
)

func TestVia(t *testing.T) {
	f := func(version, want string, fields ...string) {
		t.Helper()
		r := headOf(t, "GET / HTTP/"+version+"\r\nHost: a\r\n"+http1test.Lines(fields...)+"\r\n")
		r.Via = "edge-1234"
		assert.Equal(t, "GET / HTTP/1.1\r\nHost: a\r\n"+http1test.Lines(fields...)+ours("a")+want+"\r\n", string(r.AppendHead(nil)))
		assert.False(t, r.Loops())
	}
	f("1.1", "Via: 1.1 edge-1234\r\n")
	f("1.0", "Via: 1.0 edge-1234\r\n", "Via: 1.1 edge-9999, 1.1 edge", "via: 2 edge-1234x (edge-1234)")
	f("1.2", "Via: 1.2 edge-1234\r\n", "Via:", "Via: ,", "Via: edge-1234, 2 edge-1234(x)")

	for _, via := range []string{"1.1 edge-1234", "1.0 a, HTTP/1.1 \t Edge-1234 (x), 1.1 b"} {
		r := headOf(t, http1test.Get("Via: 1.1 a", "via: "+via))
		assert.False(t, r.Loops(), "no Via is asked for")
		r.Via = "edge-1234"
		assert.True(t, r.Loops(), via)
	}
	one, other := NewViaSuffix(), NewViaSuffix()
	assert.Empty(t, ViaName("", one))
	assert.Regexp(t, "^edge-[0-9a-f]{8}$", ViaName("edge", one))
	assert.Equal(t, ViaName("edge", one), ViaName("edge", one))
	assert.NotEqual(t, ViaName("edge", one), ViaName("edge", other))
}
