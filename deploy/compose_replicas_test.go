package deploy

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// loadReplicas are the services of the file, with those in place that it takes from the other one.
func loadReplicas(t *testing.T) compose {
	t.Helper()
	c, other := loadComposeFile(t, replicasFile), loadCompose(t)
	for name, s := range c.Services {
		if s.Extends.Service == "" {
			continue
		}
		assert.Equal(t, composeFile, s.Extends.File, name)
		require.Contains(t, other.Services, s.Extends.Service)
		c.Services[name] = other.Services[s.Extends.Service]
	}
	return c
}

// replicas are the names of the services that are one.
func (c compose) replicas() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		if c.Services[name].Build != nil {
			names = append(names, name)
		}
	}
	return names
}

// Two replicas have one configuration, and names of their own. Both share the buckets.
func TestReplicasOfComposeShare(t *testing.T) {
	c := loadReplicas(t)
	require.Equal(t, []string{"equalizer1", "equalizer2"}, c.replicas())
	for i, name := range c.replicas() {
		s := c.Services[name]
		of := configOf(t, s)
		assert.True(t, of.Store.Shared)
		assert.Equal(t, name, s.Environment["REPLICA"])
		assert.NotEmpty(t, of.Store.ReplicaName)
		assert.Contains(t, read(t, "config/replicas.toml"), "\nreplica_name = \"${REPLICA}\"\n")
		assert.Greater(t, s.StopGracePeriod, stopTime(of))
		assert.Equal(t, []string{fmt.Sprintf("127.0.0.1:%d:8080", 8081+i)}, s.Ports, "only the front's port leads to the proxies")
		assert.Equal(t, "0.0.0.0:8080", of.Admin.Listen)
		assert.Equal(t, "service_healthy", s.DependsOn[of.Store.Postgres.Host].Condition)
	}
	other := composeConfig(t)
	of := configOf(t, c.Services["equalizer1"])
	assert.Equal(t, other.Pools, of.Pools)
	assert.Equal(t, other.Store.Postgres, of.Store.Postgres)
}

// What HAProxy passes connections to are the replicas' listeners, which believe it alone.
func TestFrontOfReplicasFits(t *testing.T) {
	c, text := loadReplicas(t), read(t, "config/haproxy.cfg")
	front := c.Services["front"]
	assert.Equal(t, []string{"127.0.0.1:8000:8000"}, front.Ports)
	assert.Contains(t, text, "\n    bind :8000\n")
	assert.Equal(t, []string{"./config/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"}, front.Volumes)

	of := configOf(t, c.Services["equalizer1"])
	all := of.ListenersInForce()
	require.Len(t, all, 1)
	_, port, err := net.SplitHostPort(all[0].Listen)
	require.NoError(t, err)
	var servers []string
	for _, found := range regexp.MustCompile(`(?m)^    server (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		assert.Equal(t, found[1]+":"+port, found[2])
		servers = append(servers, found[1])
		assert.Contains(t, front.DependsOn, found[1])
	}
	assert.Equal(t, c.replicas(), servers)
	assert.Contains(t, text, " send-proxy-v2 ")
	assert.Contains(t, text, " check port 8080 ")

	require.Len(t, c.Networks["edge"].IPAM.Config, 1)
	assert.Equal(t, []string{c.Networks["edge"].IPAM.Config[0].Subnet}, all[0].ProxyProtocol)
	network, err := netip.ParsePrefix(all[0].ProxyProtocol[0])
	require.NoError(t, err)
	assert.True(t, network.Addr().IsPrivate())
	assert.Equal(t, []string{"edge"}, front.Networks)
}

func TestReplicasOfComposeAreHardened(t *testing.T) {
	c := loadReplicas(t)
	for _, name := range append(c.replicas(), "front") {
		s := c.Services[name]
		assert.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		assert.True(t, s.ReadOnly, name)
		assert.Equal(t, []string{"ALL"}, s.CapDrop, name)
	}
	assert.Regexp(t, `^haproxy:[0-9.]+-alpine$`, c.Services["front"].Image)
	for name, s := range c.Services {
		for _, network := range s.Networks {
			assert.Contains(t, c.Networks, network, name)
			if !strings.HasPrefix(name, "equalizer") && name != "front" {
				assert.True(t, c.Networks[network].Internal, name)
			}
		}
	}
}

// Each limit of the example says how it is shared where it is too small to be split.
func TestSmallBudgetsOfReplicasAskEach(t *testing.T) {
	c := loadReplicas(t)
	of := configOf(t, c.Services["equalizer1"])
	for name, l := range of.Limits {
		small := l.Capacity < int64(5*len(c.replicas())) || time.Duration(l.Refill.Interval()) > of.Store.LeaseInterval
		assert.Equal(t, small, l.Leasing == config.LeasingEach, name)
	}
}
