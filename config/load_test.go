package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// env is an environment for Options.Getenv.
func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestLoadReadsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "equalizer.toml")
	require.NoError(t, os.WriteFile(path, []byte(pool+"strategy = \"least\"\n"), 0o600))
	_, err := Load(path, Options{})
	require.EqualError(t, err, path+`:3: pools.default.strategy: unexpected strategy "least"; want round_robin, random, least_in_flight, p2c, peak_ewma, hash or sticky`)
	require.ErrorAs(t, err, new(Problems))

	require.NoError(t, os.WriteFile(path, []byte(pool), 0o600))
	l, err := Load(path, Options{})
	c := l.Config
	require.NoError(t, err)
	require.Equal(t, []Backend{DefaultBackend("http://localhost:8081")}, c.Pools["default"].Backends)
}

func TestLoadSaysWhyItCanNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.toml")
	_, err := Load(path, Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.EqualError(t, err, "can't read the configuration: open "+path+": no such file or directory")
}

func TestEnvironmentWinsOverTheFile(t *testing.T) {
	file := pool + "[admin]\ntoken = \"from-the-file-0123\"\n[store.postgres]\npassword = \"file\"\n"
	parse := func(pairs map[string]string) Config {
		l, err := Parse("c.toml", []byte(file), Options{Getenv: env(pairs)})
		c := l.Config
		require.NoError(t, err)
		return c
	}
	c := parse(map[string]string{"EQUALIZER_ADMIN_TOKEN": "from-the-environment", "EQUALIZER_ADMIN_READ_TOKEN": "reads-the-environment", "EQUALIZER_POSTGRES_PASSWORD": "env"})
	require.Equal(t, "from-the-environment", string(c.Admin.Token))
	require.Equal(t, "reads-the-environment", string(c.Admin.ReadToken))
	require.Equal(t, "env", string(c.Store.Postgres.Password))

	c = parse(map[string]string{"EQUALIZER_ADMIN_TOKEN": ""}) // as compose sets what .env doesn't have
	require.Equal(t, "from-the-file-0123", string(c.Admin.Token))
	require.Equal(t, "file", string(c.Store.Postgres.Password))
}

func TestProblemsNameTheVariable(t *testing.T) {
	_, err := Parse("c.toml", []byte(pool+"[admin]\ninsecure = true\ntoken = 5\n"), Options{Getenv: env(map[string]string{
		EnvAdminToken: "hunter2hunter2hunter2\n",
	})})
	require.EqualError(t, err, `c.toml:5: admin.token: an integer; want a string
EQUALIZER_ADMIN_TOKEN: admin.token: has a space, a control or a non-ASCII character; want 16 to 256 visible ASCII characters`)
}

func TestFlagsWinOverEverything(t *testing.T) {
	o := Options{
		Getenv: env(map[string]string{EnvAdminToken: "from-the-environment"}),
		Override: func(c *Config) map[string]string {
			require.Equal(t, "from-the-environment", string(c.Admin.Token))
			c.Server.Listen = ":9"
			p := c.Pools["default"]
			p.Backends = []Backend{DefaultBackend("http://b")}
			c.Pools["default"] = p
			return map[string]string{"server.listen": "--listen", "pools.default.backends": "--backend"}
		},
	}
	l, err := Parse("c.toml", []byte("[server]\nlisten = \":99999\"\n[pools.default]\nbackends = [\"ftp://a\"]\n"), o)
	c := l.Config
	require.NoError(t, err)
	require.Equal(t, ":9", c.Server.Listen)
	require.Equal(t, "http://b", c.Pools["default"].Backends[0].URL)
}

func TestProblemsNameTheFlag(t *testing.T) {
	o := Options{Override: func(c *Config) map[string]string {
		c.Server.Listen = ":99999"
		c.Pools = map[string]Pool{"default": DefaultPool()}
		c.Limits = map[string]Limit{"default": DefaultLimit()}
		p := c.Pools["default"]
		p.Backends = []Backend{DefaultBackend("b")}
		c.Pools["default"] = p
		return map[string]string{
			"server.listen": "--listen", "pools.default.backends": "--backend", "limits.default.secret": "--secret",
		}
	}}
	file := "[server]\nlisten = 8000\n[pools.default]\nbackends = [\n\"http://a\"]\n[log]\nlevel = \"all\"\n"
	const flags = `--listen: server.listen: ":99999": port "99999" is not a number from 0 to 65535; want HOST:PORT or :PORT, such as "127.0.0.1:8080" or ":8000"
--backend: pools.default.backends[0].url: "b": no http:// in front; want http://HOST:PORT, https://HOST:PORT or unix:///PATH
--secret: limits.default.secret: means nothing with key = "ip", as addresses are stored and logged as they are; want a header's key, or no secret`

	_, err := Parse("c.toml", []byte(file), o)
	require.EqualError(t, err, `c.toml:2: server.listen: 8000 is an integer; want a string
c.toml:7: log.level: unexpected "all"; want debug, info, warn or error
`+flags)

	_, err = Parse("", nil, o) // no file at all
	require.EqualError(t, err, flags)
}

func TestCheckAddsProblemsWithTheirLines(t *testing.T) {
	check := func(c Config) []Problem {
		return []Problem{
			{Key: "limits.default.key", Text: c.Limits["default"].Key + " isn't liked"},
			{Key: "server.trusted_proxies[1]", Text: "::2 isn't, either"},
			{Key: "log.level", Text: "seen twice"},
			{Text: "no key"},
			{Text: "no key either"},
		}
	}
	file := pool + "[limits.default]\nkey = \"ip/48\"\n[log]\nlevel = 1\n[server]\ntrusted_proxies = [\n\"::1\", # local\n\"::2\"]\n"
	_, err := Parse("c.toml", []byte(file), Options{Check: check})
	require.EqualError(t, err, `c.toml:4: limits.default.key: ip/48 isn't liked
c.toml:6: log.level: 1 is an integer; want a string
c.toml:10: server.trusted_proxies[1]: ::2 isn't, either
c.toml: no key
c.toml: no key either`)
}

func TestNothingIsReturnedWithProblems(t *testing.T) {
	for _, document := range []string{"[", "", "[admin]\nlisten = \":80\"\n[log]\nlevel = \"warn\"\n"} {
		l, err := Parse("c.toml", []byte(document), Options{})
		c, warnings := l.Config, l.Warnings
		require.Error(t, err)
		require.Empty(t, warnings)
		require.Equal(t, strings.Contains(document, "warn"), c.Log.Level == "warn")
		require.Equal(t, strings.Contains(document, ":80"), c.Admin.Listen == ":80")
		c.Log, c.Admin.Listen = Log{}, ""
		require.Equal(t, Config{}, c, "except how to log the problems, and where a process may be found")
	}
}
