package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter/gcra"
)

// defaultFile is the configuration if neither -c nor --backend is given.
const defaultFile = "config/config.toml"

// options are the command line's flags. Those that were given win over the file.
type options struct {
	file     string
	backends []string
	listen   string
	admin    string
	key      string
	secret   bool
	trusted  bool
	capacity int64
	refill   gcra.Refill
	store    storeFlag
	given    map[string]bool
}

// parseOptions reads the flags of a run, and up to so many arguments beside them. The first one is
// the file, as with -c FILE.
func parseOptions(name string, args []string, t terminal, files int) (*options, error) {
	o := &options{given: map[string]bool{}}
	flags := newFlags(name, usage, t.stdout)
	flags.StringVar(&o.file, "c", "", "")
	flags.Func("backend", "", func(url string) error {
		o.backends = append(o.backends, url)
		return nil
	})
	flags.StringVar(&o.listen, "listen", "", "")
	flags.StringVar(&o.admin, "admin", "", "")
	flags.StringVar(&o.key, "key", "", "")
	flags.BoolVar(&o.secret, "secret", true, "")
	flags.BoolVar(&o.trusted, "trusted-header", false, "")
	flags.Int64Var(&o.capacity, "capacity", 0, "")
	flags.TextVar(&o.refill, "refill", gcra.Refill{Amount: 1, Per: 1}, "")
	store := flags.String("store", "", "")
	arguments, err := parseWith(flags, args, files)
	if err != nil {
		return nil, err
	}
	flags.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	if len(arguments) > 0 {
		if o.given["c"] {
			return nil, usageError{fmt.Sprintf("unexpected argument %q: -c names a file already", arguments[0])}
		}
		o.file, o.given["c"] = arguments[0], true
	}
	if o.given["store"] {
		// Errors of flags.Func would quote the value, which may hold a password.
		if o.store, err = parseStore(*store); err != nil {
			return nil, usageError{"--store: " + err.Error()}
		}
	}
	return o, nil
}

// load makes the configuration that the flags ask for.
func (o *options) load(getenv func(string) string) (config.Config, []config.Problem, error) {
	with := config.Options{Getenv: getenv, Override: o.override, Check: o.check}
	switch {
	case o.given["c"] && o.file == "":
		return config.Config{}, nil, usageError{"the file's name is empty; want a file"}
	case o.given["c"]:
		return config.Load(o.file, with)
	case o.given["backend"]:
		return config.Parse("", nil, with)
	}
	c, warnings, err := config.Load(defaultFile, with)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil, usageError{"nothing to run: give -c FILE or --backend URL (there is no ./" + defaultFile + ")"}
	}
	return c, warnings, err
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
	if o.given["backend"] {
		name := only(c.Pools)
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

func (o *options) overridePool(c *config.Config, name string) {
	pool, ok := c.Pools[name]
	if !ok {
		pool = config.DefaultPool()
	}
	pool.Backends = nil
	for _, url := range o.backends {
		pool.Backends = append(pool.Backends, config.DefaultBackend(url))
	}
	if c.Pools == nil {
		c.Pools = map[string]config.Pool{}
	}
	c.Pools[name] = pool
}

// runCheck is `equalizer check`: it prints everything that is wrong, and the warnings.
func runCheck(args []string, t terminal) error {
	o, err := parseOptions("check", args, t, 1)
	if err != nil {
		return err
	}
	_, warnings, err := o.load(t.getenv)
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(t.stdout, problems)
		return fmt.Errorf("the configuration can't be used: problems found: %d", len(problems))
	}
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintln(t.stdout, "warning:", w)
	}
	fmt.Fprintln(t.stdout, "the configuration is good")
	return nil
}
