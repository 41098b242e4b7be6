package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

const unitFile = "equalizer.service"

// unit is a systemd unit: the values of each key of each section, as "Section.Key".
type unit map[string][]string

func loadUnit(t *testing.T) unit {
	t.Helper()
	u, section := unit{}, ""
	for line := range strings.Lines(read(t, unitFile)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, found := strings.Cut(line, "=")
		require.True(t, found, "%q is no KEY=VALUE", line)
		require.NotEmpty(t, section, "%q is in no section", line)
		u[section+"."+key] = append(u[section+"."+key], value)
	}
	return u
}

func TestUnitIsHardened(t *testing.T) {
	u := loadUnit(t)
	f := func(key string, want ...string) {
		t.Helper()
		assert.Equal(t, want, u["Service."+key], key)
	}
	f("DynamicUser", "yes")
	f("StateDirectory", "equalizer")
	f("UMask", "0077")
	f("CapabilityBoundingSet", "")
	f("AmbientCapabilities", "")
	f("NoNewPrivileges", "yes")
	f("ProtectSystem", "strict")
	f("ProtectHome", "yes")
	f("PrivateTmp", "yes")
	f("PrivateDevices", "yes")
	f("ProtectProc", "invisible")
	f("ProtectKernelTunables", "yes")
	f("ProtectKernelModules", "yes")
	f("ProtectControlGroups", "yes")
	f("MemoryDenyWriteExecute", "yes")
	f("RestrictNamespaces", "yes")
	f("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX")
	f("SystemCallArchitectures", "native")
	f("SystemCallFilter", "@system-service", "~@privileged @resources")
}

func TestUnitRunsTheService(t *testing.T) {
	u := loadUnit(t)
	assert.Equal(t, []string{"/usr/local/bin/equalizer -c " + configPath}, u["Service.ExecStart"])
	assert.Equal(t, []string{"on-failure"}, u["Service.Restart"])
	assert.Equal(t, []string{"multi-user.target"}, u["Install.WantedBy"])

	files, err := strconv.Atoi(u["Service.LimitNOFILE"][0])
	require.NoError(t, err)
	assert.GreaterOrEqual(t, files, 65536)

	// The listener's backlog is read from /proc/sys/net/core/somaxconn.
	assert.NotContains(t, u, "Service.ProcSubset")
}

func TestUnitHasNoSecrets(t *testing.T) {
	u := loadUnit(t)
	assert.NotContains(t, u, "Service.Environment", "anyone may read a unit's environment")
	assert.Equal(t, []string{"-/etc/equalizer/secrets.env"}, u["Service.EnvironmentFile"])
}

func TestUnitGivesAStopTheTimeItTakes(t *testing.T) {
	timeout, err := time.ParseDuration(loadUnit(t)["Service.TimeoutStopSec"][0])
	require.NoError(t, err)
	require.Greater(t, timeout, stopTime(config.Default()))
}

// TestUnitPassesSystemdAnalyze asks systemd itself, where it is new enough to be asked about
// a unit that isn't installed. Elsewhere it is left at what the tests above have read.
func TestUnitPassesSystemdAnalyze(t *testing.T) {
	help, err := exec.Command("systemd-analyze", "--help").Output()
	if err != nil || !strings.Contains(string(help), "--offline") || !strings.Contains(string(help), "--recursive-errors") {
		t.Logf("no systemd-analyze of version 250 or later here: %s was only parsed", unitFile)
		return
	}
	// verify wants a program at ExecStart: this test is one.
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), unitFile)
	text := strings.ReplaceAll(read(t, unitFile), "/usr/local/bin/equalizer", self)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))

	f := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("systemd-analyze", append(args, path)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	assert.Empty(t, f("verify", "--man=no", "--recursive-errors=no"))
	f("security", "--offline=true", "--threshold=15", "--no-pager") // 1.5 of 10, which is worst
}
