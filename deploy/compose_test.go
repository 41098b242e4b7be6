package deploy

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"gopher-equalizer/config"
)

// compose is what these tests look at in a compose file.
type compose struct {
	Services map[string]service
	Networks map[string]network
}

type network struct {
	Internal bool
	IPAM     struct{ Config []struct{ Subnet string } }
}

type service struct {
	Image       string
	User        string
	Build       *struct{ Context, Dockerfile string }
	Command     []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	Networks    []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck *struct{ Test []string }
	Extends     struct{ File, Service string }

	ReadOnly        bool          `yaml:"read_only"`
	CapDrop         []string      `yaml:"cap_drop"`
	SecurityOpt     []string      `yaml:"security_opt"`
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
}

// The compose files. The second is laid over the first. The third takes services from there.
const (
	composeFile  = "docker-compose.yml"
	publicFile   = "docker-compose.acme.yml"
	replicasFile = "docker-compose.replicas.yml"
)

func loadComposeFile(t *testing.T, file string) (c compose) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(read(t, file)), &c))
	return c
}

func loadCompose(t *testing.T) compose {
	t.Helper()
	c := loadComposeFile(t, composeFile)
	require.Contains(t, c.Services, "equalizer")
	require.Contains(t, c.Services, "postgres")
	return c
}

// composeConfig loads the configuration that the compose file mounts, with a value for each
// secret that it passes on.
func composeConfig(t *testing.T) config.Config {
	t.Helper()
	return configOf(t, loadCompose(t).Services["equalizer"])
}

// configOf is composeConfig of a service.
func configOf(t *testing.T, equalizer service) config.Config {
	t.Helper()
	require.Len(t, equalizer.Volumes, 1)
	source, target, _ := strings.Cut(equalizer.Volumes[0], ":")
	require.Equal(t, configPath+":ro", target)

	loaded, err := config.Load(filepath.FromSlash(source), config.Options{Getenv: func(name string) string {
		if _, passed := equalizer.Environment[name]; passed {
			return valueOf(name)
		}
		return ""
	}})
	require.NoError(t, err)
	for _, w := range loaded.Warnings {
		// The token and the password cross Docker's own networks in the clear.
		require.Contains(t, []string{"admin.insecure", "store.postgres.sslmode"}, w.Key)
	}
	return loaded.Config
}

// valueOf is a value that a variable may have.
func valueOf(name string) string {
	switch name {
	case "DOMAIN":
		return "www.example.com"
	case "ACME_EMAIL":
		return "ops@example.com"
	}
	return strings.Repeat("0", 64)
}

func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	for _, file := range []string{composeFile, replicasFile} {
		for name, s := range loadComposeFile(t, file).Services {
			for _, port := range s.Ports {
				assert.Regexp(t, `^127\.0\.0\.1:\d+:\d+$`, port, name)
			}
		}
	}
}

func TestComposeBackendsAndDatabaseAreReachedOnlyThroughEqualizer(t *testing.T) {
	c := loadCompose(t)
	for name, s := range c.Services {
		if name == "equalizer" {
			continue
		}
		assert.Empty(t, s.Ports, name)
		assert.NotEmpty(t, s.Networks, "%s would join the default network", name)
		for _, network := range s.Networks {
			assert.True(t, c.Networks[network].Internal, "%s: %s", name, network)
			assert.Contains(t, c.Services["equalizer"].Networks, network)
		}
	}
}

func TestComposeImagesArePinned(t *testing.T) {
	for name, s := range loadCompose(t).Services {
		if s.Build != nil {
			assert.FileExists(t, filepath.Join(s.Build.Context, s.Build.Dockerfile), name)
			continue
		}
		assert.Regexp(t, `^[a-z/]+:v?[0-9][0-9a-z.-]*$`, s.Image, name)
	}
}

func TestComposeServicesAreHardened(t *testing.T) {
	for name, s := range loadCompose(t).Services {
		assert.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		if name == "postgres" {
			continue // its image starts as root, to own its volume, and writes to it
		}
		assert.True(t, s.ReadOnly, name)
		assert.Equal(t, []string{"ALL"}, s.CapDrop, name)
		if s.Build == nil {
			assert.Regexp(t, `^[1-9][0-9]*:[1-9][0-9]*$`, s.User, name)
		}
	}
}

func TestComposeHasNoSecrets(t *testing.T) {
	secret := regexp.MustCompile(`TOKEN|PASSWORD|SECRET|KEY`)
	required := regexp.MustCompile(`^\$\{[A-Z_]+:\?[^}]+\}$`)
	for _, file := range []string{composeFile, publicFile, replicasFile} {
		for name, s := range loadComposeFile(t, file).Services {
			for variable, value := range s.Environment {
				if secret.MatchString(variable) {
					assert.Regexp(t, required, value, "%s: %s", name, variable)
				}
			}
		}
	}
	for _, file := range []string{"config/compose.toml", "config/acme.toml", "config/replicas.toml"} {
		var keys map[string]any
		meta, err := toml.Decode(read(t, file), &keys)
		require.NoError(t, err)
		assert.False(t, meta.IsDefined("admin", "token"))
		assert.False(t, meta.IsDefined("store", "key"))
		assert.False(t, meta.IsDefined("store", "postgres", "password"))
	}
}

func TestComposeVariablesAreInTheExample(t *testing.T) {
	uses := map[string]string{}
	for _, m := range regexp.MustCompile(`\$\{?([A-Za-z_]+)`).FindAllStringSubmatch(read(t, composeFile)+read(t, publicFile)+read(t, replicasFile), -1) {
		uses[m[1]] = ""
	}
	names := map[string]string{} // with their values, as none may have one
	for line := range strings.Lines(read(t, ".env.example")) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(line, "#") {
			names[name] = value
		}
	}
	require.NotEmpty(t, uses)
	require.Equal(t, uses, names)
	require.Contains(t, strings.Split(read(t, "../.gitignore"), "\n"), ".env")
}

func TestComposeConfigFitsTheServices(t *testing.T) {
	c, services := composeConfig(t), loadCompose(t).Services
	equalizer := services["equalizer"]

	port := func(address string) string {
		t.Helper()
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		return "127.0.0.1:" + port + ":" + port
	}
	assert.Equal(t, []string{port(c.Server.Listen), port(c.Admin.Listen)}, equalizer.Ports)

	for _, b := range c.Pools["default"].Backends {
		u, err := url.Parse(b.URL)
		require.NoError(t, err)
		require.Contains(t, services, u.Hostname())
		assert.Contains(t, services[u.Hostname()].Command, "--port="+u.Port())
		assert.Contains(t, equalizer.DependsOn, u.Hostname())
	}
	assert.Len(t, c.Pools["default"].Backends, 3)

	require.Equal(t, config.StorePostgres, c.Store.Driver)
	postgres := services[c.Store.Postgres.Host]
	assert.Equal(t, c.Store.Postgres.User, postgres.Environment["POSTGRES_USER"])
	assert.Equal(t, c.Store.Postgres.DBName, postgres.Environment["POSTGRES_DB"])
	assert.Equal(t, equalizer.Environment["EQUALIZER_POSTGRES_PASSWORD"], postgres.Environment["POSTGRES_PASSWORD"])
	assert.Equal(t, "service_healthy", equalizer.DependsOn[c.Store.Postgres.Host].Condition)
	assert.NotNil(t, postgres.Healthcheck)
}

func TestComposeGivesAStopTheTimeItTakes(t *testing.T) {
	require.Greater(t, loadCompose(t).Services["equalizer"].StopGracePeriod, stopTime(composeConfig(t)))
}
