package identity

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1/http1test"
)

var peer = netip.MustParseAddr("192.0.2.1")

func trustPeer(t *testing.T) Trusted {
	t.Helper()
	trusted, err := ParseTrusted([]string{peer.String()})
	require.NoError(t, err)
	return trusted
}

func TestAppendRequestID(t *testing.T) {
	const made = `^[0-9a-f]{32}$`
	f := func(want string, trusting bool, fields ...string) {
		t.Helper()
		var trusted Trusted
		if trusting {
			trusted = trustPeer(t)
		}
		assert.Regexp(t, want, string(trusted.AppendRequestID(nil, http1test.Request(t, http1test.Get(fields...)), peer)), "%q", fields)
	}
	f(made, false)
	f(made, true)
	f(made, false, "X-Request-ID: abc")
	f("^abc$", true, "X-Request-ID: abc")
	f("^a!~\\{\"$", true, "x-request-id:  a!~{\" ")
	f("^x{128}$", true, "X-Request-ID: "+strings.Repeat("x", 128))
	f(made, true, "X-Request-ID: "+strings.Repeat("x", 129))
	f(made, true, "X-Request-ID:")
	f(made, true, "X-Request-ID: a b")
	f(made, true, "X-Request-ID: a\tb")
	f(made, true, "X-Request-ID: caf\u00e9")
	f(made, true, "X-Request-ID: a", "x-request-id: a")
	f(made, true, "X_Request_ID: a")
}

func TestRequestIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		seen[string(Trusted{}.AppendRequestID(nil, nil, peer))] = true
	}
	assert.Len(t, seen, 1000)
}

func TestAppendRequestIDDoesNotAllocate(t *testing.T) {
	h := http1test.Request(t, http1test.Get("X-Request-ID: abc"))
	trusting := trustPeer(t)
	dst := make([]byte, 0, MaxRequestID)
	assert.Zero(t, testing.AllocsPerRun(100, func() { dst = Trusted{}.AppendRequestID(dst[:0], h, peer) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { dst = trusting.AppendRequestID(dst[:0], h, peer) }))
}
