package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNetwork(t *testing.T) {
	f := func(listen, wantNetwork, wantAddress string) {
		t.Helper()
		network, address := Network(listen)
		assert.Equal(t, wantNetwork, network)
		assert.Equal(t, wantAddress, address)
	}
	f("127.0.0.1:8080", "tcp", "127.0.0.1:8080")
	f(":8080", "tcp", ":8080")
	f("unix:///run/admin.sock", "unix", "/run/admin.sock")
	f("unix://", "unix", "")
}

// The admin API may listen on a unix socket without a token. It can't be a backend then.
func TestAdminOnAUnixSocket(t *testing.T) {
	accepted(t, pool+"[admin]\nlisten = \"unix:///run/admin.sock\"\n")
	f := func(listen, want string) {
		t.Helper()
		refused(t, pool+"[admin]\nlisten = \""+listen+"\"\n", "c.toml:4: admin.listen: \""+listen+"\": "+want)
	}
	const wanted = `; want unix:///PATH, such as "unix:///run/equalizer/admin.sock"`
	f("unix://admin.sock", "the socket's path must start with a slash"+wanted)
	f("unix:///", "no path of a socket"+wanted)
	f("unix:///run//admin.sock", `the shortest way to write this path is "/run/admin.sock"`+wanted)
	f("unix:///a%20b", "a ?, # or % in the socket's path"+wanted)
	f("unix:///"+strings.Repeat("a", longestSocket), "a path of 108 bytes, and the system takes 107 for a socket"+wanted)
	f("unix:/run/admin.sock", `a URL or a path, not an address; want HOST:PORT or :PORT, such as "127.0.0.1:8080" or ":8000"`)

	refused(t, "[admin]\nlisten = \"unix:///run/admin.sock\"\n[pools.a]\nbackends = [\"http://a\", \"unix:///run/admin.sock\"]\n",
		`c.toml:4: pools.a.backends[1].url: "unix:///run/admin.sock" is this proxy's own admin.listen; want another address`)
}
