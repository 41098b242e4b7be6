package deploy

import (
	"fmt"
	"maps"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// publicService is the service with the file for a public site laid over it, as compose does that:
// variables and ports are added, and a volume takes the place of the one at the same path.
func publicService(t *testing.T) service {
	t.Helper()
	s, over := loadCompose(t).Services["equalizer"], loadComposeFile(t, publicFile)
	require.Len(t, over.Services, 1)
	by := over.Services["equalizer"]
	maps.Copy(s.Environment, by.Environment)
	s.Ports = append(s.Ports, by.Ports...)
	s.Volumes = by.Volumes
	return s
}

// Ports 80 and 443 are the listeners', and the redirect is to where clients reach the other.
func TestPublicComposeFitsItsConfiguration(t *testing.T) {
	s := publicService(t)
	c := configOf(t, s)
	all := c.ListenersInForce()
	require.Len(t, all, 2)
	assert.True(t, all[0].RedirectHTTPS)
	assert.Equal(t, 443, all[0].RedirectPort)
	assert.True(t, all[1].TLS)
	port := func(address string) string {
		t.Helper()
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		return port
	}
	assert.Equal(t, []string{
		fmt.Sprintf("127.0.0.1:%s:%s", port(all[0].Listen), port(all[0].Listen)),
		fmt.Sprintf("127.0.0.1:%s:%s", port(c.Admin.Listen), port(c.Admin.Listen)),
		"80:" + port(all[0].Listen), "443:" + port(all[1].Listen),
	}, s.Ports, "the admin API is published on loopback only")
	assert.Equal(t, []string{valueOf("DOMAIN")}, c.TLS.ACME.Domains)
	assert.Equal(t, valueOf("ACME_EMAIL"), c.TLS.ACME.Email)
	assert.Empty(t, c.TLS.ACME.Folder, "the container's files aren't kept")
	require.Greater(t, s.StopGracePeriod, stopTime(c))
}

// Apart from its edge and its limit, the public site is the other one.
func TestPublicComposeHasTheSameBehindIt(t *testing.T) {
	c, other := configOf(t, publicService(t)), composeConfig(t)
	assert.Equal(t, other.Pools, c.Pools)
	assert.Equal(t, other.Admin, c.Admin)
	other.Store.Key = config.Secret(valueOf("EQUALIZER_STORE_KEY"))
	assert.Equal(t, other.Store, c.Store)
}
