package deploy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// The drop-ins for ports 80 and 443.
const (
	servicePorts = "equalizer.service.d/ports.conf"
	socketPorts  = "equalizer.socket.d/ports.conf"
	edgeConfig   = "config/edge.toml"
)

// withDropIn is a unit with a drop-in, as far as systemd adds its values to those of lists. An
// empty value begins a list anew.
func withDropIn(t *testing.T, file, dropIn string) unit {
	t.Helper()
	u := loadUnitFile(t, file)
	for key, values := range loadUnitFile(t, dropIn) {
		for _, value := range values {
			if u[key] = append(u[key], value); value == "" {
				u[key] = nil
			}
		}
	}
	return u
}

// The service may bind to low ports, and has no other capability.
func TestServiceMayListenOnLowPorts(t *testing.T) {
	dropIn := loadUnitFile(t, servicePorts)
	assert.Equal(t, unit{
		"Service.AmbientCapabilities":   {"CAP_NET_BIND_SERVICE"},
		"Service.CapabilityBoundingSet": {"CAP_NET_BIND_SERVICE"},
		"Service.PrivateUsers":          {"no"},
	}, dropIn)
	u := withDropIn(t, unitFile, servicePorts)
	for key := range dropIn {
		require.Contains(t, loadUnit(t), key, "%s says nothing of it", unitFile)
		assert.Equal(t, dropIn[key][0], u[key][len(u[key])-1])
	}
	assert.Equal(t, []string{"yes"}, u["Service.NoNewPrivileges"])
}

// The sockets are those of the example's listeners, known by their addresses.
func TestSocketsOfLowPortsFitTheListeners(t *testing.T) {
	u := withDropIn(t, socketUnits["proxy"], socketPorts)
	loaded, err := config.Load(edgeConfig, config.Options{})
	require.NoError(t, err)
	assert.Empty(t, loaded.Warnings)
	var want []string
	for _, l := range loaded.Config.ListenersInForce() {
		want = append(want, strings.TrimPrefix(l.Listen, ":"))
	}
	assert.Equal(t, want, u["Socket.ListenStream"])
	assert.Equal(t, []string{"80", "443"}, want)
	assert.Equal(t, []string{"Socket.ListenStream"}, slices.Collect(maps.Keys(loadUnitFile(t, socketPorts))))
	assert.Equal(t, []string{unitFile}, u["Socket.Service"])
}
