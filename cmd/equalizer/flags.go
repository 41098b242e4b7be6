package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter/gcra"
)

// defaultFile is the configuration if neither -c nor --backend is given.
const defaultFile = "config/config.toml"

// options are the command line's flags. Those that were given win over the file.
type options struct {
	file     string
	backends []string
	domains  []string
	listen   string
	admin    string
	key      string
	secret   bool
	trusted  bool
	capacity int64
	refill   gcra.Refill
	store    storeFlag
	given    map[string]bool
	flags    flagSet
	storeIs  string // the text of store
}

// parseOptions reads the flags of a run, and up to so many arguments beside them.
func parseOptions(name string, args []string, t terminal, files int) (*options, error) {
	o := newOptions(name, t)
	return o, o.parse(args, files)
}

// newOptions are the flags of a run. A command may add its own before it parses them.
func newOptions(name string, t terminal) *options {
	o := &options{given: map[string]bool{}, flags: newFlags(name, usage, t.stdout)}
	o.flags.StringVar(&o.file, "c", "", "")
	o.flags.Func("backend", "", func(url string) error {
		o.backends = append(o.backends, url)
		return nil
	})
	o.flags.Func("domain", "", func(name string) error {
		o.domains = append(o.domains, strings.ToLower(name))
		return nil
	})
	o.flags.StringVar(&o.listen, "listen", "", "")
	o.flags.StringVar(&o.admin, "admin", "", "")
	o.flags.StringVar(&o.key, "key", "", "")
	o.flags.BoolVar(&o.secret, "secret", true, "")
	o.flags.BoolVar(&o.trusted, "trusted-header", false, "")
	o.flags.Int64Var(&o.capacity, "capacity", 0, "")
	o.flags.TextVar(&o.refill, "refill", gcra.Refill{Amount: 1, Per: 1}, "")
	o.flags.StringVar(&o.storeIs, "store", "", "")
	return o
}

// parse reads a command line, with up to so many arguments beside the flags. The first one is the
// file, as with -c FILE.
func (o *options) parse(args []string, files int) error {
	arguments, err := parseWith(o.flags, args, files)
	if err != nil {
		return err
	}
	o.flags.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	if len(arguments) > 0 {
		if o.given["c"] {
			return usageError{fmt.Sprintf("unexpected argument %q: -c names a file already", arguments[0])}
		}
		o.file, o.given["c"] = arguments[0], true
	}
	if o.given["store"] {
		// Errors of flags.Func would quote the value, which may hold a password.
		if o.store, err = parseStore(o.storeIs); err != nil {
			return usageError{"--store: " + err.Error()}
		}
	}
	return nil
}

// load makes the configuration that the flags ask for. Its Files include those that it names.
func (o *options) load(getenv func(string) string) (config.Loaded, error) {
	var named []string
	l, err := o.loadWith(config.Options{Getenv: getenv, Override: o.override, Warn: warnOfFiles, Check: func(c config.Config) []config.Problem {
		named = slices.Sorted(maps.Values(c.NamedFiles()))
		return o.check(c)
	}})
	l.Files = slices.Concat(l.Files, named)
	return l, err
}

func (o *options) loadWith(with config.Options) (config.Loaded, error) {
	switch {
	case o.given["c"] && o.file == "":
		return config.Loaded{}, usageError{"the file's name is empty; want a file"}
	case o.given["c"]:
		return config.Load(o.file, with)
	case o.given["backend"]:
		return config.Parse("", nil, with)
	}
	l, err := config.Load(defaultFile, with)
	if errors.Is(err, fs.ErrNotExist) {
		return l, usageError{"nothing to run: give -c FILE or --backend URL (there is no ./" + defaultFile + ")"}
	}
	return l, err
}

// check finds the files that would end the start, and flags that can't be laid over the file, since
// they are about the only pool or the only limit.
func (o *options) check(c config.Config) []config.Problem {
	problems := checkFiles(c)
	if o.given["backend"] && len(c.Pools) > 1 {
		problems = append(problems, config.Problem{Key: "pools", Text: "--backend is for one pool, and there are several; want the flag, or the file's pools"})
	}
	if o.limits() && len(c.Limits) > 1 {
		problems = append(problems, config.Problem{Key: "limits", Text: "--key, --capacity and --refill are for one limit, and there are several; want the flags, or the file's limits"})
	}
	return problems
}

// override lays the flags over a configuration, and returns which flag set which key.
func (o *options) override(c *config.Config) map[string]string {
	set := map[string]string{}
	apply := func(flag, key string, lay func()) {
		if o.given[flag] {
			lay()
			set[key] = "--" + flag
		}
	}
	apply("listen", "server.listen", func() { c.Server.Listen = o.listen })
	apply("admin", "admin.listen", func() { c.Admin.Listen = o.admin })
	if o.given["domain"] && len(c.Listeners) == 0 {
		apply("domain", "listeners", func() { c.Listeners = publicListeners() })
	}
	apply("domain", "tls.acme.domains", func() { c.TLS.ACME.Domains = o.domains })
	apply("domain", "tls.acme.agree_to_terms", func() { c.TLS.ACME.AgreeToTerms = true })
	if o.given["backend"] {
		name := only(c.Pools)
		if c.Pools[name].BackendsFile != "" {
			set["pools."+name+".backends_file"] = "--backend"
		}
		apply("backend", "pools."+name+".backends", func() { o.overridePool(c, name) })
	}
	if o.limits() {
		name := only(c.Limits)
		limit, ok := c.Limits[name]
		if !ok {
			limit = config.DefaultLimit()
		}
		key := "limits." + name
		apply("key", key+".key", func() { limit.Key = o.key })
		apply("secret", key+".secret", func() { limit.Secret = o.secret })
		apply("trusted-header", key+".trusted_header", func() { limit.TrustedHeader = o.trusted })
		apply("capacity", key+".capacity", func() { limit.Capacity = o.capacity })
		apply("refill", key+".refill", func() { limit.Refill = o.refill })
		if c.Limits == nil {
			c.Limits = map[string]config.Limit{}
		}
		c.Limits[name] = limit
	}
	if o.given["store"] {
		for _, key := range o.store.override(&c.Store) {
			set["store."+key] = "--store"
		}
	}
	return set
}

// limits reports whether a flag asks for a limit.
func (o *options) limits() bool {
	return o.given["key"] || o.given["secret"] || o.given["trusted-header"] || o.given["capacity"] || o.given["refill"]
}

// only is the name of the only entry, or "default" if there is no such entry.
func only[V any](entries map[string]V) string {
	if len(entries) == 1 {
		for name := range entries {
			return name
		}
	}
	return "default"
}

// publicListeners are those of a public host: everything in clear is sent to https.
func publicListeners() []config.Listener {
	web, secure := config.DefaultListener(":80"), config.DefaultListener(":443")
	web.RedirectHTTPS, secure.TLS = true, true
	return []config.Listener{web, secure}
}

func (o *options) overridePool(c *config.Config, name string) {
	pool, ok := c.Pools[name]
	if !ok {
		pool = config.DefaultPool()
	}
	pool.Backends, pool.BackendsFile = nil, ""
	for _, url := range o.backends {
		pool.Backends = append(pool.Backends, config.DefaultBackend(url))
	}
	if c.Pools == nil {
		c.Pools = map[string]config.Pool{}
	}
	c.Pools[name] = pool
}
