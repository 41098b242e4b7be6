//go:build linux

package peers

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"gopher-equalizer/bench/lab/load"
)

// Built are the programs that the suite built itself, by path. Without Caddy that peer is left out;
// which release it is only its builder knows.
type Built struct{ Equalizer, Pump, Caddy, CaddyVersion string }

// FlushInterval is store.flush_interval, as shipped.
const FlushInterval = time.Second

// printed is the log of a program that prints its log.
func printed() *Log { return &Log{File: "output.log"} }

// All returns the peers that this machine has, in the order of reports, and a line for each that it
// lacks.
func All(ctx context.Context, b Built) (all []Peer, lacking []string) {
	every := []load.Key{load.NoKey, load.OneKey, load.RandomKeys}
	off := every[:1]
	ends := []load.Key{load.NoKey, load.RandomKeys} // without a limiter, and with a busy one
	equalizer := Peer{
		Name: Equalizer, Role: Ours, Program: b.Equalizer, Keys: every, TLS: true, Log: printed(), Behind: FlushInterval,
		config: "equalizer.toml", args: func(s site) []string { return []string{"-c", s.config} },
	}

	all = []Peer{
		{Name: "direct", Role: Base, Keys: off},
		{Name: "byte pump", Role: Floor, Program: b.Pump, Keys: off, args: func(s site) []string {
			return append([]string{"-listen", s.Listen}, s.Backends...)
		}},
		equalizer,
	}
	all = append(all, variantsOf(equalizer)...)
	for _, other := range installed(every) {
		path, err := find(other.Program)
		if err != nil {
			lacking = append(lacking, err.Error())
			continue
		}
		other.Role, other.Program, other.Version = Other, path, version(ctx, path)
		quiet := other
		quiet.Name, quiet.Variant, quiet.Keys, quiet.Log = other.Name+", no log", true, ends, nil
		all = append(all, other, quiet)
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

// variantsOf are ours with other settings.
func variantsOf(equalizer Peer) (all []Peer) {
	busy := []load.Key{load.RandomKeys}
	add := func(name string, keys []load.Key, change func(*Peer)) {
		p := equalizer
		p.Name, p.Variant, p.Keys = name, true, keys
		change(&p)
		all = append(all, p)
	}
	ends := []load.Key{load.NoKey, load.RandomKeys}
	add(NoLog, ends, func(p *Peer) { p.Log = nil })
	add(Bare, ends, func(p *Peer) { p.Log, p.Behind, p.settings = nil, 0, settings{Memory: true, Plain: true} })
	add(InMemory, busy, func(p *Peer) { p.Behind, p.settings.Memory = 0, true })
	add(Large, busy, func(p *Peer) { p.settings.Large = true })
	add(Wide, busy, func(p *Peer) { p.env = []string{"GOMAXPROCS=16"} })
	return all
}

// installed are the peers that come from the system's packages.
func installed(keys []load.Key) []Peer {
	return []Peer{
		{Name: "nginx", Program: "nginx", Keys: keys, TLS: true, Log: &Log{File: "access.log", Flush: syscall.SIGUSR1}, config: "nginx.conf", args: func(s site) []string {
			return []string{"-p", s.Dir, "-e", s.Dir + "/error.log", "-c", s.config}
		}},
		{Name: "haproxy", Program: "haproxy", Keys: keys, TLS: true, Log: printed(), config: "haproxy.cfg", args: func(s site) []string {
			return []string{"-db", "-f", s.config}
		}},
	}
}

// version is the first line that a program prints about itself.
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
