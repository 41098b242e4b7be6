package deploy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"gopher-equalizer/config"
)

// The types below have the fields of Kubernetes that the manifests use, by their names there, and
// no others: a manifest with another one is refused.
type (
	// header is what all manifests begin with.
	header struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
	}
	metadata struct {
		Name   string            `yaml:"name"`
		Labels map[string]string `yaml:"labels"`
	}
	selector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}

	configMap struct {
		header `yaml:",inline"`
		Data   map[string]string `yaml:"data"`
	}
	secret struct {
		header     `yaml:",inline"`
		Type       string            `yaml:"type"`
		StringData map[string]string `yaml:"stringData"`
	}
	deployment struct {
		header `yaml:",inline"`
		Spec   struct {
			Replicas int      `yaml:"replicas"`
			Selector selector `yaml:"selector"`
			Strategy struct {
				Type          string `yaml:"type"`
				RollingUpdate struct {
					MaxUnavailable int `yaml:"maxUnavailable"`
					MaxSurge       int `yaml:"maxSurge"`
				} `yaml:"rollingUpdate"`
			} `yaml:"strategy"`
			Template struct {
				Metadata metadata `yaml:"metadata"`
				Spec     podSpec  `yaml:"spec"`
			} `yaml:"template"`
		} `yaml:"spec"`
	}
	podSpec struct {
		TerminationGracePeriodSeconds int   `yaml:"terminationGracePeriodSeconds"`
		AutomountServiceAccountToken  *bool `yaml:"automountServiceAccountToken"`
		EnableServiceLinks            *bool `yaml:"enableServiceLinks"`
		SecurityContext               struct {
			RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
			RunAsUser      int                   `yaml:"runAsUser"`
			RunAsGroup     int                   `yaml:"runAsGroup"`
			SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		TopologySpreadConstraints []struct {
			MaxSkew           int      `yaml:"maxSkew"`
			TopologyKey       string   `yaml:"topologyKey"`
			WhenUnsatisfiable string   `yaml:"whenUnsatisfiable"`
			LabelSelector     selector `yaml:"labelSelector"`
		} `yaml:"topologySpreadConstraints"`
		Containers []container `yaml:"containers"`
		Volumes    []struct {
			Name      string                `yaml:"name"`
			ConfigMap struct{ Name string } `yaml:"configMap"`
		} `yaml:"volumes"`
	}
	container struct {
		Name  string `yaml:"name"`
		Image string `yaml:"image"`
		Ports []struct {
			Name          string `yaml:"name"`
			ContainerPort int    `yaml:"containerPort"`
		} `yaml:"ports"`
		Env       []variable `yaml:"env"`
		Lifecycle struct {
			PreStop struct {
				Sleep struct{ Seconds int } `yaml:"sleep"`
			} `yaml:"preStop"`
		} `yaml:"lifecycle"`
		StartupProbe   probe `yaml:"startupProbe"`
		LivenessProbe  probe `yaml:"livenessProbe"`
		ReadinessProbe probe `yaml:"readinessProbe"`
		Resources      struct {
			Requests map[string]string `yaml:"requests"`
			Limits   map[string]string `yaml:"limits"`
		} `yaml:"resources"`
		SecurityContext struct {
			AllowPrivilegeEscalation *bool                   `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool                    `yaml:"readOnlyRootFilesystem"`
			Capabilities             struct{ Drop []string } `yaml:"capabilities"`
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string `yaml:"name"`
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
	variable struct {
		Name      string `yaml:"name"`
		ValueFrom struct {
			FieldRef struct {
				FieldPath string `yaml:"fieldPath"`
			} `yaml:"fieldRef"`
			SecretKeyRef struct{ Name, Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
	probe struct {
		HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
		PeriodSeconds    int                         `yaml:"periodSeconds"`
		TimeoutSeconds   int                         `yaml:"timeoutSeconds"`
		FailureThreshold int                         `yaml:"failureThreshold"`
	}
	kubeService struct {
		header `yaml:",inline"`
		Spec   struct {
			Type                  string            `yaml:"type"`
			ExternalTrafficPolicy string            `yaml:"externalTrafficPolicy"`
			Selector              map[string]string `yaml:"selector"`
			Ports                 []struct {
				Name       string `yaml:"name"`
				Port       int    `yaml:"port"`
				TargetPort string `yaml:"targetPort"`
			} `yaml:"ports"`
		} `yaml:"spec"`
	}
	disruptionBudget struct {
		header `yaml:",inline"`
		Spec   struct {
			MaxUnavailable int      `yaml:"maxUnavailable"`
			Selector       selector `yaml:"selector"`
		} `yaml:"spec"`
	}
)

// manifests are those of the folder.
type manifests struct {
	config     configMap
	secret     secret
	deployment deployment
	service    kubeService
	disruption disruptionBudget
}

func loadManifests(t *testing.T) *manifests {
	t.Helper()
	m := &manifests{}
	into := map[string]struct {
		kind string
		to   any
	}{
		"config.yaml": {"v1 ConfigMap", &m.config}, "secret.yaml": {"v1 Secret", &m.secret},
		"deployment.yaml": {"apps/v1 Deployment", &m.deployment}, "service.yaml": {"v1 Service", &m.service},
		"disruption.yaml": {"policy/v1 PodDisruptionBudget", &m.disruption},
	}
	files, err := os.ReadDir("kubernetes")
	require.NoError(t, err)
	require.Len(t, files, len(into))
	for _, file := range files {
		require.Contains(t, into, file.Name())
		text := []byte(read(t, filepath.Join("kubernetes", file.Name())))
		strict := yaml.NewDecoder(bytes.NewReader(text))
		strict.KnownFields(true)
		require.NoError(t, strict.Decode(into[file.Name()].to), file.Name())
		require.True(t, errors.Is(strict.Decode(&struct{}{}), io.EOF), "%s has one document", file.Name())
		var is header
		require.NoError(t, yaml.Unmarshal(text, &is))
		assert.Equal(t, into[file.Name()].kind, is.APIVersion+" "+is.Kind)
		assert.Equal(t, metadata{"equalizer", map[string]string{"app.kubernetes.io/name": "equalizer"}}, is.Metadata, file.Name())
	}
	return m
}

// container is the only one of a pod.
func (m *manifests) container(t *testing.T) container {
	t.Helper()
	all := m.deployment.Spec.Template.Spec.Containers
	require.Len(t, all, 1)
	return all[0]
}

// loaded is the configuration of the ConfigMap, with what the container's environment has.
func (m *manifests) loaded(t *testing.T) config.Loaded {
	t.Helper()
	l, err := config.Parse("config.toml", []byte(m.config.Data["config.toml"]), config.Options{Getenv: func(name string) string {
		passed := slices.ContainsFunc(m.container(t).Env, func(v variable) bool { return v.Name == name })
		switch {
		case !passed:
			return ""
		case name == "POD_NAME":
			return "equalizer-5d8c7b9f6d-x2x7q"
		}
		return strings.Repeat("0", 64)
	}})
	require.NoError(t, err)
	return l
}

// All that selects pods selects those of the Deployment.
func TestKubernetesSelectorsAgree(t *testing.T) {
	m := loadManifests(t)
	labels := m.deployment.Spec.Template.Metadata.Labels
	require.NotEmpty(t, labels)
	assert.Equal(t, labels, m.deployment.Spec.Selector.MatchLabels)
	assert.Equal(t, labels, m.service.Spec.Selector)
	assert.Equal(t, labels, m.disruption.Spec.Selector.MatchLabels)
	require.NotEmpty(t, m.deployment.Spec.Template.Spec.TopologySpreadConstraints)
	for _, c := range m.deployment.Spec.Template.Spec.TopologySpreadConstraints {
		assert.Equal(t, labels, c.LabelSelector.MatchLabels)
	}
}

// The configuration passes check, warns only of what crosses the cluster in clear, and its ports
// are those that the container, the probes and the Service name.
func TestKubernetesConfigFitsTheContainer(t *testing.T) {
	m := loadManifests(t)
	l := m.loaded(t)
	for _, w := range l.Warnings {
		assert.Equal(t, "admin.insecure", w.Key, w.Text)
	}
	c := m.container(t)
	ports := map[string]int{}
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	portOf := func(address string) int {
		t.Helper()
		_, text, err := net.SplitHostPort(address)
		require.NoError(t, err)
		port, err := net.LookupPort("tcp", text)
		require.NoError(t, err)
		return port
	}
	assert.Equal(t, map[string]int{"http": portOf(l.Config.Server.Listen), "admin": portOf(l.Config.Admin.Listen)}, ports)
	require.Len(t, m.service.Spec.Ports, 1)
	assert.Equal(t, "http", m.service.Spec.Ports[0].TargetPort, "nobody outside reaches the admin API")
	for path, probes := range map[string][]probe{"/healthz": {c.StartupProbe, c.LivenessProbe}, "/readyz": {c.ReadinessProbe}} {
		for _, p := range probes {
			assert.Equal(t, path, p.HTTPGet.Path)
			assert.Equal(t, "admin", p.HTTPGet.Port)
		}
	}
	require.Len(t, c.VolumeMounts, 1)
	require.Len(t, m.deployment.Spec.Template.Spec.Volumes, 1)
	volume := m.deployment.Spec.Template.Spec.Volumes[0]
	assert.Equal(t, volume.Name, c.VolumeMounts[0].Name)
	assert.Equal(t, m.config.Metadata.Name, volume.ConfigMap.Name)
	require.Len(t, m.config.Data, 1)
	assert.Equal(t, configPath, c.VolumeMounts[0].MountPath+"/config.toml")
}

// Pods share the buckets under names of their own, and are replaced one by one.
func TestKubernetesPodsAreReplicas(t *testing.T) {
	m := loadManifests(t)
	c := m.loaded(t).Config
	assert.True(t, c.Store.Shared)
	assert.Equal(t, "equalizer-5d8c7b9f6d-x2x7q", c.Store.ReplicaName)
	for name, l := range c.Limits {
		assert.Equal(t, config.ScopeGlobal, l.Scope, "%s: the names of a Deployment's pods don't stay", name)
	}
	assert.Equal(t, 3, m.deployment.Spec.Replicas)
	assert.Equal(t, "RollingUpdate", m.deployment.Spec.Strategy.Type)
	assert.Equal(t, 0, m.deployment.Spec.Strategy.RollingUpdate.MaxUnavailable)
	assert.Equal(t, 1, m.deployment.Spec.Strategy.RollingUpdate.MaxSurge)
	assert.Equal(t, 1, m.disruption.Spec.MaxUnavailable)
}

// balancerNotices is how long a cloud's load balancer takes at most, by default, to notice that a
// machine has no pod that is ready.
const balancerNotices = 30 * time.Second

func TestKubernetesGivesStartAndStopTheTimeTheyTake(t *testing.T) {
	m := loadManifests(t)
	c, pod := m.loaded(t).Config, m.container(t)
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	beforeStop := seconds(pod.Lifecycle.PreStop.Sleep.Seconds)
	assert.Greater(t, seconds(m.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds), beforeStop+stopTime(c))
	assert.Equal(t, "Local", m.service.Spec.ExternalTrafficPolicy)
	assert.Greater(t, beforeStop, balancerNotices, "a machine's last pod stays ready until the load balancer has noticed")
	assert.Greater(t, seconds(pod.StartupProbe.PeriodSeconds*pod.StartupProbe.FailureThreshold), c.Store.ConnectTimeout)
	notices := seconds(pod.ReadinessProbe.PeriodSeconds*pod.ReadinessProbe.FailureThreshold + pod.ReadinessProbe.TimeoutSeconds)
	assert.Greater(t, c.Server.DrainDelay, notices, "a pod that gets SIGTERM otherwise serves until it gets nothing more")
}

// The pods have no rights that they don't need.
func TestKubernetesPodsAreHardened(t *testing.T) {
	m := loadManifests(t)
	pod, c := m.deployment.Spec.Template.Spec, m.container(t)
	no := new(bool)
	assert.Equal(t, no, pod.AutomountServiceAccountToken)
	assert.Equal(t, no, pod.EnableServiceLinks, "others' variables could be taken for ours")
	assert.True(t, pod.SecurityContext.RunAsNonRoot)
	assert.Equal(t, 65532, pod.SecurityContext.RunAsUser)
	assert.Contains(t, read(t, "Dockerfile"), "\nUSER 65532:65532\n")
	assert.Equal(t, "RuntimeDefault", pod.SecurityContext.SeccompProfile.Type)
	assert.Equal(t, no, c.SecurityContext.AllowPrivilegeEscalation)
	assert.True(t, c.SecurityContext.ReadOnlyRootFilesystem)
	assert.Equal(t, []string{"ALL"}, c.SecurityContext.Capabilities.Drop)
	assert.NotEmpty(t, c.Resources.Requests["cpu"])
	assert.NotEmpty(t, c.Resources.Requests["memory"])
	assert.NotEmpty(t, c.Resources.Limits["memory"])
}

// The secrets are in the Secret alone, which is to be filled in.
func TestKubernetesSecrets(t *testing.T) {
	m := loadManifests(t)
	from := map[string]string{}
	for _, v := range m.container(t).Env {
		if v.Name == "POD_NAME" {
			assert.Equal(t, "metadata.name", v.ValueFrom.FieldRef.FieldPath)
			continue
		}
		assert.Equal(t, m.secret.Metadata.Name, v.ValueFrom.SecretKeyRef.Name)
		from[v.ValueFrom.SecretKeyRef.Key] = ""
	}
	assert.Equal(t, from, m.secret.StringData)
	assert.Len(t, from, 2)
	_, err := config.Parse("config.toml", []byte(m.config.Data["config.toml"]), config.Options{Getenv: func(name string) string {
		if name == "POD_NAME" {
			return "a"
		}
		return ""
	}})
	assert.ErrorContains(t, err, "there is no token", "an empty Secret doesn't open the admin API")
}
