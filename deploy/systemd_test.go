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

// socketUnits are the units of the sockets that systemd can hold for the service, by their names.
var socketUnits = map[string]string{"proxy": "equalizer.socket", "admin": "equalizer-admin.socket"}

// unit is a systemd unit: the values of each key of each section, as "Section.Key".
type unit map[string][]string

func loadUnit(t *testing.T) unit {
	t.Helper()
	return loadUnitFile(t, unitFile)
}

func loadUnitFile(t *testing.T, file string) unit {
	t.Helper()
	u, section := unit{}, ""
	for line := range strings.Lines(read(t, file)) {
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
	assert.Equal(t, []string{"/bin/kill -HUP $MAINPID"}, u["Service.ExecReload"])
	assert.Equal(t, []string{"equalizer"}, u["Service.RuntimeDirectory"])
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

// The sockets are on the addresses that the service would open itself, and have the names that it
// tells them apart by.
func TestSocketUnitsFitTheConfiguration(t *testing.T) {
	c := config.Default()
	for name, address := range map[string]string{"proxy": c.Server.Listen, "admin": c.Admin.Listen} {
		u := loadUnitFile(t, socketUnits[name])
		assert.Equal(t, []string{name}, u["Socket.FileDescriptorName"])
		assert.Equal(t, []string{strings.TrimPrefix(address, ":")}, u["Socket.ListenStream"])
		assert.Equal(t, []string{unitFile}, u["Socket.Service"])
		assert.Equal(t, []string{"sockets.target"}, u["Install.WantedBy"])
		assert.NotContains(t, u, "Socket.Accept", "the service accepts itself")
	}
}

// TestUnitPassesSystemdAnalyze asks systemd itself, where it is new enough to be asked about
// a unit that isn't installed. Elsewhere it is left at what the tests above have read.
func TestUnitPassesSystemdAnalyze(t *testing.T) {
	help, err := exec.Command("systemd-analyze", "--help").Output()
	if err != nil || !strings.Contains(string(help), "--offline") || !strings.Contains(string(help), "--recursive-errors") {
		t.Logf("no systemd-analyze of version 250 or later here: %s was only parsed", unitFile)
		return
	}
	dir := t.TempDir()
	f := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("systemd-analyze", append(args, filepath.Join(dir, unitFile))...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	install(t, dir, unitFile)
	assert.Empty(t, f("verify", "--man=no", "--recursive-errors=no"))
	for _, file := range socketUnits {
		assert.Empty(t, f("verify", "--man=no", "--recursive-errors=no", install(t, dir, file)))
	}
	f("security", "--offline=true", "--threshold=15", "--no-pager") // 1.5 of 10, which is worst
	for _, file := range []string{servicePorts, socketPorts} {
		install(t, dir, file)
	}
	assert.Empty(t, f("verify", "--man=no", "--recursive-errors=no", filepath.Join(dir, socketUnits["proxy"])))
	f("security", "--offline=true", "--threshold=20", "--no-pager")
}

// install puts a file where systemd is to look for it, and returns its path.
func install(t *testing.T, dir, file string) string {
	t.Helper()
	// verify wants a program at ExecStart: this test is one.
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(dir, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	text := strings.ReplaceAll(read(t, file), "/usr/local/bin/equalizer", self)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
