//go:build linux

package peers

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/load"
)

// Built are the programs that the suite built itself, by path. Without Caddy it is left out;
// which release it is only its builder knows.
type Built struct{ Equalizer, Pump, Caddy, CaddyVersion string }

// All are the peers that this machine has, in the order of reports, and a line for each that
// it lacks.
func All(ctx context.Context, b Built) (all []Peer, lacking []string) {
	every := []load.Key{load.NoKey, load.OneKey, load.RandomKeys}
	off := every[:1]
	equalizer := Peer{
		Name: Equalizer, Role: Ours, Program: b.Equalizer, Keys: every,
		config: "equalizer.toml", store: "memory", args: func(s site) []string { return []string{"-c", s.config} },
	}
	logging, durable, lean := equalizer, equalizer, equalizer
	logging.Name, logging.Variant, logging.Keys, logging.access = Logging, true, []load.Key{load.NoKey, load.RandomKeys}, true
	durable.Name, durable.Variant, durable.Keys, durable.store = Durable, true, every[1:], "bolt"
	lean.Name, lean.Variant, lean.Keys, lean.lean = Lean, true, off, true

	all = []Peer{
		{Name: "direct", Role: Base, Keys: off},
		{Name: "byte pump", Role: Floor, Program: b.Pump, Keys: off, args: func(s site) []string {
			return append([]string{"-listen", s.Listen}, s.Backends...)
		}},
		equalizer,
		logging,
		durable,
		lean,
	}
	for _, other := range installed(every) {
		path, err := find(other.Program)
		if err != nil {
			lacking = append(lacking, err.Error())
			continue
		}
		other.Role, other.Program, other.Version = Other, path, version(ctx, path)
		all = append(all, other)
	}
	if b.Caddy != "" {
		all = append(all, Peer{
			Name: "caddy", Role: Other, Program: b.Caddy, Version: b.CaddyVersion, Keys: off,
			config: "Caddyfile", args: func(s site) []string {
				return []string{"run", "--adapter", "caddyfile", "--config", s.config}
			},
		})
	}
	return all, lacking
}

// installed are the peers that come from the system's packages.
func installed(keys []load.Key) []Peer {
	return []Peer{
		{Name: "nginx", Program: "nginx", Keys: keys, config: "nginx.conf", args: func(s site) []string {
			return []string{"-p", s.Dir, "-e", s.Dir + "/error.log", "-c", s.config}
		}},
		{Name: "haproxy", Program: "haproxy", Keys: keys, config: "haproxy.cfg", args: func(s site) []string {
			return []string{"-db", "-f", s.config}
		}},
	}
}

// version is the first line that a program says of itself.
func version(ctx context.Context, program string) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "-v").CombinedOutput()
	if err != nil {
		return "unknown: " + err.Error()
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}
