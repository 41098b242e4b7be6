//go:build linux

// Package peers knows the proxies that the suite compares: where they are found, and how each is
// configured to do the same work. The files next to this one are their configurations.
package peers

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"text/template"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/load"
)

//go:embed nginx.conf haproxy.cfg Caddyfile equalizer.toml
var files embed.FS

// Role is a peer's part in the comparison.
type Role string

// The names of our own peers, by which reports compare them.
const (
	Equalizer = "equalizer"         // as shipped: the store on disk, header values hashed, the access log to a file
	NoLog     = "equalizer, no log" // the same without the access log
	Bare      = "equalizer, bare"   // without all three: the store in memory, the header's value as it is, no log
	InMemory  = "equalizer, memory" // as shipped, but with the store in memory
	Large     = "equalizer, large"  // as shipped, but with three limits, 50 pools and 200 routes
	Wide      = "equalizer, wide"   // as shipped, but with GOMAXPROCS=16, which turns its governor off
)

// The roles.
const (
	Ours  Role = "ours"
	Other Role = "peer"  // another proxy; ratios are to the cheapest of them
	Floor Role = "floor" // what no proxy can get under
	Base  Role = "base"  // no proxy at all
)

// Peer is a way from clients to backends.
type Peer struct {
	Name    string
	Role    Role
	Program string // the executable; none for Base
	Version string
	Keys    []load.Key // what its limiter can be asked to do; NoKey: it is off
	TLS     bool       // also speaks TLS
	Variant bool       // with settings that its users don't have, to show what those cost
	Log     *Log       // where it writes a line for each request; nil if it doesn't
	// Behind is how long it may put off the work of a request, such as storing what a client spent.
	Behind time.Duration

	config   string // its file in this folder, if it has one
	settings settings
	args     func(site) []string
	env      []string
}

// settings are what our variants have in equalizer.toml that differs from what is shipped.
type settings struct {
	Memory bool // the store is in memory
	Plain  bool // the header's value is the key, without a hash
	Large  bool // three limits, 50 pools and 200 routes
}

// Log is where a peer writes its access log.
type Log struct {
	File  string         // in its folder
	Flush syscall.Signal // makes it write what it keeps in a buffer; 0: it does so soon by itself
}

// Can reports whether the peer's limiter has a mode.
func (p Peer) Can(key load.Key) bool { return slices.Contains(p.Keys, key) }

// Place is where a peer runs.
type Place struct {
	Dir    string // an empty folder
	Listen string
	Admin  string // for peers that need another address
	// Secure is where it speaks TLS, if it can; empty: nowhere. Certificate is the file of
	// NewCertificate.
	Secure, Certificate string
}

// site is what a configuration is made from.
type site struct {
	Place
	Backends []string
	Limited  bool
	Root     bool   // nginx gives up root unless it is told to keep it, and then can't access Dir
	Access   string // the access log's path; empty: none
	settings
	config string
}

// Prepare writes the peer's files for these backends into the place's folder, and returns the
// program to run.
func (p Peer) Prepare(at Place, backends []string, limited bool) (child.Program, error) {
	dir := at.Dir
	s := site{Place: at, Backends: backends, Limited: limited, Root: os.Geteuid() == 0, settings: p.settings}
	if p.Log != nil {
		s.Access = filepath.Join(dir, p.Log.File)
	}
	if p.config != "" {
		s.config = filepath.Join(dir, p.config)
		if err := write(s); err != nil {
			return child.Program{}, fmt.Errorf("%s: %w", p.config, err)
		}
	}
	// Caddy would use the user's own folders.
	env := append([]string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir}, p.env...)
	return child.Program{Path: p.Program, Args: p.args(s), Dir: dir, Env: env}, nil
}

func write(s site) error {
	text, err := template.ParseFS(files, filepath.Base(s.config))
	if err != nil {
		return err
	}
	file, err := os.Create(s.config)
	if err != nil {
		return err
	}
	defer file.Close()
	return text.Execute(file, s)
}

// find looks for a program in the PATH, and where Debian puts servers, which may not be in the
// PATH.
func find(name string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: left out", name)
}
