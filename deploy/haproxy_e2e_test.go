//go:build e2e

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// HAProxy takes the configuration of the front. .ci/peers installs it.
func TestHAProxyTakesItsConfiguration(t *testing.T) {
	haproxy, err := exec.LookPath("haproxy")
	require.NoError(t, err, "there is no haproxy; .ci/peers installs it")
	out, err := exec.Command(haproxy, "-c", "-f", "config/haproxy.cfg").CombinedOutput()
	assert.NoError(t, err, "%s", out)
	assert.NotContains(t, string(out), "WARNING")

	broken := filepath.Join(t.TempDir(), "haproxy.cfg")
	require.NoError(t, os.WriteFile(broken, []byte(strings.Replace(read(t, "config/haproxy.cfg"), "balance", "blance", 1)), 0o600))
	assert.Error(t, exec.Command(haproxy, "-c", "-f", broken).Run())
}
