package rewrite

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
)

// What backends that make CGI variables of names can't tell from a header that decides about the
// request doesn't go on, and in a trailer that header doesn't either.
func TestGuarded(t *testing.T) {
	g := Guard("X-Version", "", "tenant")
	f := func(name string, resembles, covers bool) {
		t.Helper()
		assert.Equal(t, resembles, g.resembles([]byte(name)), name)
		assert.Equal(t, covers, g.covers([]byte(name)), name)
	}
	f("X_Version", true, true)
	f("x.versioN", true, true)
	f("X-VERSION", false, true)
	f("Tenant", false, true)
	f("X-Version2", false, false)
	f("", false, false)
	f("Accept", false, false)
}

func TestGuardedHeadersInRequests(t *testing.T) {
	r := headOf(t, http1test.Get("X-Version: 1", "X_Version: 2", "X-Tenant: a", "x.tenant: b"))
	r.Rules = &Rules{Guarded: Guard("X-Version", "X-Tenant")}
	assert.Equal(t, "GET / HTTP/1.1\r\nHost: example.com\r\nX-Version: 1\r\nX-Tenant: a\r\n"+ours("example.com")+"\r\n", string(r.AppendHead(nil)))
	for name, want := range map[string]bool{"X-Version": false, "x_tenant": false, "X-Checksum": true} {
		assert.Equal(t, want, r.PassesTrailer(http1.Field{Name: []byte(name)}), name)
	}
}
