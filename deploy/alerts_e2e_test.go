//go:build e2e

package deploy

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Prometheus takes the configuration, and its alerts wait and say what alerts_test.yml wants of
// them. .ci/peers installs promtool, with Prometheus.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	require.NoError(t, err, "there is no promtool; .ci/peers installs it")
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "prometheus"
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%v: %s", args, out)
	}
}
