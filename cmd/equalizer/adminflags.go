package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/cmd/equalizer/internal/adminclient"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy/certs"
)

// adminTimeout is how long a command waits for the admin API, if it isn't told.
const adminTimeout = 10 * time.Second

// adminFlags are the flags of the commands that call the admin API of a process that runs.
type adminFlags struct {
	flagSet
	file, admin, tokenFile, ca string
	timeout                    time.Duration
	json                       bool
	// mistakes are those of the file that says where the process is. The process may run by an
	// earlier version of it, so they are told only if the call fails.
	mistakes config.Problems
	// harmless is for calls that change nothing and need no token: the default address is asked if
	// a mistake hides where the process is, any certificate is taken, and no token is sent.
	harmless bool
}

// newAdminFlags makes the flags of a command, which may add its own.
func newAdminFlags(name, help string, t terminal) *adminFlags {
	f := &adminFlags{flagSet: newFlags(name, help, t.stdout)}
	f.StringVar(&f.file, "c", "", "")
	f.StringVar(&f.admin, "admin", "", "")
	f.StringVar(&f.tokenFile, "token-file", "", "")
	f.StringVar(&f.ca, "ca", "", "")
	f.DurationVar(&f.timeout, "timeout", adminTimeout, "")
	return f
}

// withJSON adds the flag --json.
func (f *adminFlags) withJSON() *adminFlags {
	f.BoolVar(&f.json, "json", false, "")
	return f
}

// call runs do with a client of the process that the flags name, for the timeout at most.
func (f *adminFlags) call(ctx context.Context, t terminal, do func(context.Context, *adminclient.Client) error) error {
	client, err := f.client(t.getenv)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	return f.explain(do(ctx, client), t)
}

// explain adds to an error what the file's mistakes may have to do with it, and prints the API's
// JSON of a call that it refused.
func (f *adminFlags) explain(err error, t terminal) error {
	var refused *adminclient.Problem
	if errors.As(err, &refused) && f.json {
		if _, failed := t.stdout.Write(refused.Body); failed != nil {
			return failed
		}
	}
	if err != nil && f.mistakes != nil && (refused == nil || refused.Status == 401) {
		return fmt.Errorf("%w\nThe file that would say where it is has mistakes:\n%w", err, f.mistakes)
	}
	return err
}

// client makes the client of the process that the flags name.
func (f *adminFlags) client(getenv func(string) string) (*adminclient.Client, error) {
	if f.timeout <= 0 {
		return nil, usageError{fmt.Sprintf("--timeout %v is out of range; want a duration above 0, such as 10s", f.timeout)}
	}
	c, err := f.configuration(getenv)
	if err != nil {
		return nil, err
	}
	var s adminclient.Settings
	if s.Token, s.TokenFrom, err = f.token(c, getenv); err != nil {
		return nil, err
	}
	if f.admin == "" && !f.harmless && f.isLost() {
		return nil, fmt.Errorf("the configuration doesn't say where the process is; want --admin ADDRESS, or this mended:\n%w", f.mistakes)
	}
	if s.Network, s.Address, s.TLS, err = f.where(c.Admin); err != nil {
		return nil, err
	}
	if f.harmless {
		s.Token = ""
	}
	client, err := adminclient.New(s)
	switch {
	case err != nil && f.admin != "":
		return nil, usageError{"--admin: " + err.Error()}
	case err != nil && f.mistakes != nil:
		return nil, f.mistakes
	}
	return client, err
}

// where is the address, and how its TLS is verified; nil if it has none. An address of --admin
// without a scheme speaks what the configuration says.
func (f *adminFlags) where(c config.Admin) (network, address string, secure *adminclient.TLS, err error) {
	scheme, rest, found := strings.Cut(cmp.Or(f.admin, c.Listen), "://")
	isURL := found && (scheme == "http" || scheme == "https")
	if isURL {
		network, address = "tcp", rest
	} else {
		network, address = config.Network(cmp.Or(f.admin, c.Listen))
	}
	byFile := cmp.Or(f.ca, c.Cert)
	if network == "unix" || scheme == "http" || !isURL && byFile == "" {
		return network, address, nil, nil
	}
	secure = &adminclient.TLS{Unverified: f.harmless, Configured: f.ca == ""}
	if byFile != "" && !f.harmless {
		if secure.Trusted, err = readCertificates(byFile); err != nil {
			return "", "", nil, fmt.Errorf("the admin API's certificate: %w; give one that you can read by --ca", err)
		}
	}
	return network, address, secure, nil
}

// readCertificates reads the certificates of a PEM file, which may be a pipe of the shell.
func readCertificates(file string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all, err := certs.ParseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return all, nil
}

// isLost reports whether a mistake hides where the process is. The one on the default address may
// be another.
func (f *adminFlags) isLost() bool {
	return slices.ContainsFunc(f.mistakes, func(p config.Problem) bool { return p.Key == "" || p.Key == "admin" || p.Key == "admin.listen" })
}

// configuration is that of the file, or the default one if there is no such file and none was
// asked for.
func (f *adminFlags) configuration(getenv func(string) string) (config.Config, error) {
	loaded, err := config.Load(cmp.Or(f.file, defaultFile), config.Options{Getenv: getenv})
	var problems config.Problems
	switch {
	case err == nil:
		return loaded.Config, nil
	case errors.As(err, &problems):
		f.mistakes = problems
		return loaded.Config, nil
	case f.file == "" && errors.Is(err, fs.ErrNotExist):
		return config.Default(), nil
	}
	return config.Config{}, err
}

// token is the bearer token, and where it is from.
func (f *adminFlags) token(c config.Config, getenv func(string) string) (token, from string, err error) {
	if f.tokenFile != "" {
		data, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return "", "", fmt.Errorf("--token-file: %w", err)
		}
		return strings.TrimSpace(string(data)), "the file " + f.tokenFile, nil
	}
	if token := getenv(config.EnvAdminToken); token != "" {
		return token, config.EnvAdminToken, nil
	}
	from = "the configuration " + cmp.Or(f.file, defaultFile)
	switch {
	case c.Admin.Token != "":
		return string(c.Admin.Token), from, nil
	case getenv(config.EnvAdminReadToken) != "":
		return getenv(config.EnvAdminReadToken), config.EnvAdminReadToken, nil
	}
	return string(c.Admin.ReadToken), from, nil
}

// adminFlagsUsage is the end of the help of commands with these flags.
const adminFlagsUsage = `  -c FILE            the configuration that says where the process's admin API is, and
                     has its token (default "config/config.toml", if it is there)
  --admin ADDRESS    where the admin API is, HOST:PORT or unix:///PATH; it wins over -c;
                     with https:// in front it speaks TLS, with http:// it doesn't
  --ca FILE          the certificate of an admin API that speaks TLS, or its authority's
                     (default: the one that the configuration names; without one the
                     system's authorities)
  --token-file FILE  a file that holds the token; otherwise EQUALIZER_ADMIN_TOKEN does,
                     or the configuration
  --timeout D        how long the admin API may take (default 10s; reload: 2m)
  --json             print the admin API's JSON

Exit codes: 0 done; 1 failed; 2 bad usage.
`

// checkVerb finds a verb that a command doesn't have, or a wrong number of words behind it.
func checkVerb(name, verb string, words []string, wanted int) error {
	c, _ := commandNamed(name)
	switch {
	case !slices.Contains(c.verbs, verb):
		if meant := suggest(verb, c.verbs); meant != "" {
			return usageError{fmt.Sprintf("unknown command %q; did you mean %s %s?", name+" "+verb, name, meant)}
		}
		return usageError{fmt.Sprintf("unknown command %q; want one of %s", name+" "+verb, strings.Join(c.verbs, ", "))}
	case len(words) > wanted:
		return usageError{fmt.Sprintf("unexpected argument %q", words[wanted])}
	case len(words) < wanted:
		return usageError{fmt.Sprintf("%s %s wants %s behind it", name, verb, count(wanted, "argument"))}
	}
	return nil
}
