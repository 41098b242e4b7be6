// Package deploy holds what gopher-equalizer is deployed with, and these tests, which hold
// the files against each other, against the configuration and against the binary.
package deploy

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// configPath is where both the image and the systemd unit expect the configuration.
const configPath = "/etc/equalizer/config.toml"

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

// stopTime is how long a stop may take under a configuration: what is drained, what still
// runs, and the last flush.
func stopTime(c config.Config) time.Duration {
	return c.Server.DrainDelay + c.Server.ShutdownTimeout + c.Store.Timeout
}
