//go:build linux

package peers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/config"
)

// machine is one that has these programs and no others.
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
			assert.Equal(t, p.Name+" 1.0", p.Version)
		}
		assert.Equal(t, p.Role == Base, p.Program == "", p.Name)
	}
	assert.Equal(t, []string{"direct", "byte pump", "equalizer", "equalizer, access log", "equalizer, on disk", "equalizer, lean", "nginx", "haproxy", "caddy"}, names)
}

func TestWhatIsNotInstalledIsNamed(t *testing.T) {
	_, err := find("no-such-proxy")
	assert.EqualError(t, err, "no-such-proxy is not installed: left out")
}

// prepared are a peer's command line and its configuration, the folder's name taken out.
func prepared(t *testing.T, p Peer, limited bool) (command, configuration string) {
	t.Helper()
	dir := t.TempDir()
	program, err := p.Prepare(dir, "127.0.0.1:80", "127.0.0.1:81", []string{"127.0.0.1:1", "127.0.0.1:2"}, limited)
	require.NoError(t, err)
	assert.Equal(t, dir, program.Dir)
	if p.config != "" {
		text, err := os.ReadFile(filepath.Join(dir, p.config))
		require.NoError(t, err)
		configuration = string(text)
	}
	return strings.ReplaceAll(strings.Join(program.Args, " "), dir, "DIR"), configuration
}

func TestConfigurations(t *testing.T) {
	commands := map[string]string{
		"byte pump": "-listen 127.0.0.1:80 127.0.0.1:1 127.0.0.1:2",
		Equalizer:   "-c DIR/equalizer.toml", Logging: "-c DIR/equalizer.toml", Durable: "-c DIR/equalizer.toml", Lean: "-c DIR/equalizer.toml",
		"nginx":   "-p DIR -e DIR/error.log -c DIR/nginx.conf",
		"haproxy": "-db -f DIR/haproxy.cfg",
		"caddy":   "run --adapter caddyfile --config DIR/Caddyfile",
	}
	limiters := map[string]string{
		Equalizer: "[limits.default]", Logging: "[limits.default]", Durable: "[limits.default]", "nginx": "limit_req", "haproxy": "stick-table",
	}
	for _, p := range all(t) {
		for _, limited := range []bool{false, true} {
			if p.Role == Base || limited && !p.Can(load.OneKey) {
				continue
			}
			command, configuration := prepared(t, p, limited)
			assert.Equal(t, commands[p.Name], command)
			if configuration == "" {
				continue
			}
			for _, want := range []string{"127.0.0.1:80", "127.0.0.1:1", "127.0.0.1:2"} {
				assert.Contains(t, configuration, want, p.Name)
			}
			assert.NotContains(t, configuration, "<no value>", p.Name)
			if word := limiters[p.Name]; word != "" {
				assert.Equal(t, limited, strings.Contains(configuration, word), p.Name)
			}
		}
	}
}

// TestOursIsAValidConfiguration also holds the comparison to its word: the same work, and what
// is left out is as shipped.
func TestOursIsAValidConfiguration(t *testing.T) {
	stores := map[string]string{Equalizer: "memory", Logging: "memory", Durable: "bolt", Lean: "memory"}
	for _, p := range all(t) {
		if p.Role != Ours {
			continue
		}
		_, text := prepared(t, p, true)
		c, _, err := config.Parse(p.config, []byte(text), config.Options{})
		require.NoError(t, err)
		limit := c.Limits["default"]
		assert.Equal(t, "header:"+load.KeyHeader, limit.Key)
		assert.False(t, limit.Secret)
		assert.Equal(t, p.Name != Equalizer, p.Variant)
		assert.Equal(t, p.Name == Logging, c.Log.Access)
		assert.Equal(t, p.Name == Lean, c.Server.LeanConnections)
		assert.Equal(t, "json", c.Log.Format)
		assert.Equal(t, stores[p.Name], c.Store.Driver)

		_, text = prepared(t, p, false)
		c, _, err = config.Parse(p.config, []byte(text), config.Options{})
		require.NoError(t, err)
		assert.Empty(t, c.Limits)
	}
}
