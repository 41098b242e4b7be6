//go:build linux

package peers

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/config"
)

// machine is a machine that has only these programs.
func machine(t *testing.T, programs ...string) Built {
	t.Helper()
	dir := t.TempDir()
	for _, program := range append(programs, "equalizer", "pump", "caddy") {
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\necho "+program+" 1.0\necho more\n"), 0o755))
	}
	t.Setenv("PATH", dir)
	return Built{Equalizer: dir + "/equalizer", Pump: dir + "/pump", Caddy: dir + "/caddy", CaddyVersion: "caddy 1.0"}
}

func all(t *testing.T) []Peer {
	t.Helper()
	found, lacking := All(t.Context(), machine(t, "nginx", "haproxy"))
	require.Empty(t, lacking)
	return found
}

func TestAllPeers(t *testing.T) {
	var names []string
	for _, p := range all(t) {
		names = append(names, p.Name)
		if p.Role == Other {
			assert.Equal(t, program(p.Name)+" 1.0", p.Version)
		}
		assert.Equal(t, p.Role == Base, p.Program == "", p.Name)
	}
	assert.Equal(t, []string{
		"direct", "byte pump", "equalizer", "equalizer, no log", "equalizer, bare", "equalizer, memory", "equalizer, large", "equalizer, wide",
		"nginx", "nginx, no log", "haproxy", "haproxy, no log", "caddy",
	}, names)
}

// program is the program that a peer runs.
func program(peer string) string {
	name, _, _ := strings.Cut(peer, ",")
	return name
}

func TestWhatIsNotInstalledIsNamed(t *testing.T) {
	_, err := find("no-such-proxy")
	assert.EqualError(t, err, "no-such-proxy is not installed: left out")
}

// prepared are a peer's command line and its configuration, without the folder's name.
func prepared(t *testing.T, p Peer, limited bool) (command, configuration string) {
	t.Helper()
	dir := t.TempDir()
	program, err := p.Prepare(Place{Dir: dir, Listen: "127.0.0.1:80", Admin: "127.0.0.1:81"}, []string{"127.0.0.1:1", "127.0.0.1:2"}, limited)
	require.NoError(t, err)
	assert.Equal(t, dir, program.Dir)
	if p.config != "" {
		text, err := os.ReadFile(filepath.Join(dir, p.config))
		require.NoError(t, err)
		configuration = strings.ReplaceAll(string(text), dir, "DIR")
	}
	return strings.ReplaceAll(strings.Join(program.Args, " "), dir, "DIR"), configuration
}

func TestConfigurations(t *testing.T) {
	commands := map[string]string{
		"byte pump": "-listen 127.0.0.1:80 127.0.0.1:1 127.0.0.1:2",
		"equalizer": "-c DIR/equalizer.toml",
		"nginx":     "-p DIR -e DIR/error.log -c DIR/nginx.conf",
		"haproxy":   "-db -f DIR/haproxy.cfg",
		"caddy":     "run --adapter caddyfile --config DIR/Caddyfile",
	}
	limiters := map[string]string{"equalizer": "[limits.default]", "nginx": "limit_req", "haproxy": "stick-table"}
	quiet := map[string]string{"equalizer": "access = false", "nginx": "access_log off"}
	loud := map[string]string{"nginx": "access_log DIR/access.log combined", "haproxy": "log stdout"}
	for _, p := range all(t) {
		for _, limited := range []bool{false, true} {
			if p.Role == Base || limited && !p.Can(load.OneKey) {
				continue
			}
			command, configuration := prepared(t, p, limited)
			assert.Equal(t, commands[program(p.Name)], command)
			if configuration == "" {
				continue
			}
			for _, want := range []string{"127.0.0.1:80", "127.0.0.1:1", "127.0.0.1:2"} {
				assert.Contains(t, configuration, want, p.Name)
			}
			assert.NotContains(t, configuration, "<no value>", p.Name)
			for words, is := range map[*map[string]string]bool{&limiters: limited, &quiet: p.Log == nil, &loud: p.Log != nil} {
				if word := (*words)[program(p.Name)]; word != "" {
					assert.Equal(t, is, strings.Contains(configuration, word), "%s: %s", p.Name, word)
				}
			}
		}
	}
}

// TestOursIsAValidConfiguration also checks that the comparison measures what is shipped, and that
// a variant lacks what its name says.
func TestOursIsAValidConfiguration(t *testing.T) {
	shipped := config.DefaultLimit()
	for _, p := range all(t) {
		if p.Role != Ours {
			continue
		}
		bare, unstored := p.Name == Bare, p.Name == Bare || p.Name == InMemory
		_, text := prepared(t, p, true)
		loaded, err := config.Parse(p.config, []byte(text), config.Options{})
		require.NoError(t, err)
		c := loaded.Config
		limit := c.Limits["default"]
		assert.Equal(t, "header:"+load.KeyHeader, limit.Key)
		assert.Equal(t, p.Name != Equalizer, p.Variant)
		assert.Equal(t, p.Name == Wide, slices.Contains(p.env, "GOMAXPROCS=16"))
		routes, pools, limits := 0, 1, 1
		if p.Name == Large {
			routes, pools, limits = 200, 50, 3
		}
		assert.Equal(t, []int{routes, pools, limits}, []int{len(c.Routes), len(c.Pools), len(c.Limits)})
		assert.Equal(t, shipped.Secret && !bare, limit.Secret)
		assert.Equal(t, p.Log != nil, c.Log.Access)
		assert.Equal(t, p.Behind > 0, c.Store.Driver != config.StoreMemory)
		if p.Behind > 0 {
			assert.Equal(t, config.Default().Store.FlushInterval, p.Behind)
		}
		want := config.Default()
		if unstored {
			want.Store.Driver = config.StoreMemory
		}
		want.Log.Access = p.Log != nil
		assert.Equal(t, want.Store, c.Store)
		assert.Equal(t, want.Log, c.Log)

		_, text = prepared(t, p, false)
		loaded, err = config.Parse(p.config, []byte(text), config.Options{})
		require.NoError(t, err)
		assert.Empty(t, loaded.Config.Limits)
	}
}

// By TLS, each has the other address besides the first, with the certificate.
func TestConfigurationsWithTLS(t *testing.T) {
	certificate, err := NewCertificate(t.TempDir())
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(certificate, certificate)
	require.NoError(t, err)
	assert.NoError(t, pair.Leaf.VerifyHostname("localhost"))
	for _, p := range all(t) {
		if !p.TLS {
			continue
		}
		at := Place{Dir: t.TempDir(), Listen: "127.0.0.1:80", Admin: "127.0.0.1:81", Secure: "127.0.0.1:443", Certificate: certificate}
		_, err := p.Prepare(at, []string{"127.0.0.1:1"}, true)
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(at.Dir, p.config))
		require.NoError(t, err)
		for _, want := range []string{at.Listen, at.Secure, certificate} {
			assert.Contains(t, string(text), want, p.Name)
		}
		if p.Role != Ours {
			assert.Contains(t, string(text), "ssl", p.Name)
			continue
		}
		loaded, err := config.Parse(p.config, text, config.Options{})
		require.NoError(t, err)
		require.Len(t, loaded.Config.Listeners, 2)
		assert.Equal(t, []bool{false, true}, []bool{loaded.Config.Listeners[0].TLS, loaded.Config.Listeners[1].TLS})
	}
}
