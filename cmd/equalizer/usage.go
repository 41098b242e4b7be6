package main

import (
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"
)

const usage = `equalizer is an HTTP edge proxy: it balances requests over health-checked
backends, gives every client a token bucket, keeps the buckets over restarts,
and lets you manage all of it over a REST API.

Try it, with three sample backends that it starts itself:

  equalizer demo                          and demo --tls, by HTTPS

Run it:

  equalizer -c FILE                       with a configuration file
  equalizer                               with ./config/config.toml
  equalizer --backend http://127.0.0.1:3000 --capacity 100 --refill 10/s
                                          with no file: proxy on :8000, admin API
                                          on 127.0.0.1:8080
  equalizer --domain example.com --backend http://127.0.0.1:3000
                                          a public site by HTTPS

Flags, which win over the file:

  -c FILE            the configuration; config/config.toml explains every key
  --backend URL      a backend, http://HOST:PORT, https://HOST:PORT or
                     unix:///PATH; give it once for each
  --domain NAME      serve this domain by HTTPS, on :443, with a certificate from
                     Let's Encrypt, whose terms you agree to by this, and redirect
                     there from :80; give it once for each
  --listen ADDRESS   where to accept requests (default ":8000")
  --admin ADDRESS    where to serve the admin API, HOST:PORT or unix:///PATH (default
                     "127.0.0.1:8080"; another than a loopback address or a unix
                     socket needs a token, EQUALIZER_ADMIN_TOKEN, and in a file
                     admin.cert, or admin.insecure)
  --key KEY          what tells clients apart: ip, ip/48, or header:NAME (default
                     "ip"); a header should be checked by something in front
  --trusted-header   something does, so there is no warning about it
  --secret=false     keep a header key's values as they are; by default they are
                     stored, listed and logged as their SHA-256 only
  --capacity N       tokens that a client's bucket holds (default 100)
  --refill R         how fast it earns them: 10/s, 5/10s, 1000/30d (default "10/s")
  --store STORE      where buckets are kept: a file (default "data/equalizer.db"),
                     postgres://USER@HOST:PORT/DATABASE, or memory
                     (EQUALIZER_POSTGRES_PASSWORD holds the password)

Nothing is limited unless the file has a [limits] section or one of --key,
--trusted-header, --secret, --capacity and --refill is given.

Other commands:

  equalizer check [--print] FILE          list everything wrong with a configuration;
                                          --print: what would be in force, as TOML
  equalizer schema                        print the configuration's JSON Schema, for editors
  equalizer reload | status | backends | buckets
                                          operate a running one; each has a --help
  equalizer explain URL | REQUEST_ID      say what would become of a request, and why;
                                          or why one was refused
  equalizer replicas                      list the processes that share the buckets
  equalizer errors                        list the last messages that were malformed
  equalizer top                           watch a running one: backends, routes, limits
  equalizer tail [--status 5xx ...]       show its requests as they end
  equalizer bench --target URL [--through URL]
                                          measure what the proxy adds; bench --help
  equalizer healthcheck [-c FILE | --admin ADDRESS]
                                          exit 0 if the proxy is ready for traffic
  equalizer completion bash|zsh|fish      print a script that completes commands
  equalizer man                           print the manual page
  equalizer version                       print the version

Exit codes: 0 done, or stopped by SIGTERM or SIGINT with everything stored;
1 failed; 2 bad usage; 130 stopped at once by a second signal.
`

const benchUsage = `equalizer bench measures what the proxy costs: the same GET requests, at a constant
rate, to a target directly and through the proxy by turns, in rounds of half a second.

  equalizer bench --target http://127.0.0.1:3000/ --through http://127.0.0.1:8000/

  --target URL       where the requests go directly: a backend
  --through URL      where they reach the same backend by way of the proxy; without
                     it the target alone is measured
  --rate N           requests a second, 1 to 10000 (default 100); each side gets
                     half of all requests, and this many a second while it has its turn
  --duration D       how long it all takes, 1s to 10m (default 20s)
  --timeout D        how long a request may take, 1ms to 1m (default 5s)
  --header 'N: V'    a header to send, also Host; give it once for each
  --json             the report as JSON

It sends rate x duration requests, 1000000 at most, whatever the target does, with 512
under way at most. Times are those of responses below 400, from when a request was sent
to the last byte of its response. The first round of each side makes the connections,
and its times don't count. A limit on the way would turn most of the responses into 429:
lift it for the client that measures, or measure another client's path.

Exit codes: 0 measured, or ended by Ctrl-C, which prints what there is; 1 a side failed
all requests for a while, and the run was given up; 2 bad usage.
`

// flagSet is a command's flags, and what --help prints.
type flagSet struct {
	*flag.FlagSet
	help   string
	stdout io.Writer
}

func newFlags(name, help string, stdout io.Writer) flagSet {
	flags := flagSet{flag.NewFlagSet(name, flag.ContinueOnError), help, stdout}
	flags.SetOutput(io.Discard) // run prints the error.
	flags.Usage = func() {}     // An error is one line, not a page. read prints the help if it was asked for.
	return flags
}

// parse reads a command line that is all flags.
func parse(flags flagSet, args []string) error {
	_, err := parseWith(flags, args, 0)
	return err
}

// parseWith reads a command line of flags and, among them, at most so many arguments.
func parseWith(flags flagSet, args []string, most int) (arguments []string, err error) {
	for {
		if err := flags.read(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return arguments, nil
		}
		if len(arguments) == most {
			return nil, usageError{fmt.Sprintf("unexpected argument %q", flags.Arg(0))}
		}
		arguments, args = append(arguments, flags.Arg(0)), flags.Args()[1:]
	}
}

// read reads flags up to the first argument.
func (flags flagSet) read(args []string) error {
	err := flags.Parse(args)
	if err == nil {
		return nil
	}
	if err == flag.ErrHelp {
		fmt.Fprint(flags.stdout, flags.help)
		return err
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return unknownFlag(name, flags)
	}
	return usageError{flags.wanted(err.Error())}
}

// wanted is the flag package's message about a value, with what was wanted in place of "parse
// error".
func (flags flagSet) wanted(message string) string {
	about, unparsed := strings.CutSuffix(message, ": parse error")
	if !unparsed {
		return message
	}
	name := about[strings.LastIndex(about, " -")+2:]
	return about + "; want " + wantedOf(flags.Lookup(name).Value.(flag.Getter).Get())
}

// wantedOf is what a flag of the value's type takes.
func wantedOf(value any) string {
	switch value.(type) {
	case bool:
		return "true or false"
	case time.Duration:
		return `a duration, such as "5s"`
	case int, int64, uint, uint64:
		return "a whole number"
	}
	return "a number"
}

// version is set by the linker in releases: -ldflags "-X main.version=v1.2.3".
var version string

// versionString is the release, or else what the Go tool recorded of the checkout.
func versionString() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func runVersion(args []string, t terminal) error {
	if err := parse(newFlags("version", usage, t.stdout), args); err != nil {
		return err
	}
	fmt.Fprintln(t.stdout, "equalizer", versionString())
	return nil
}
