//go:build linux

// Command profile tells what the CPU time of a request is spent on, with a limit for each of a
// million clients, beside the byte pump, which knows no HTTP. bench/README.md has its table.
//
//	make profile
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"gopher-equalizer/bench/lab/program"
)

func main() { profiler().Main() }

func profiler() program.Program[settings] {
	return program.Program[settings]{Name: "profile", Usage: usage, Parse: parse, Do: profile}
}

// settings are the command line's.
type settings struct {
	connections  int
	rate         int // requests a second, in place of the connections' closed loop; 0: none
	time, warmUp time.Duration
}

// defaultConnections is how many connections there are unless the command line says otherwise.
const defaultConnections = 64

const usage = `profile tells what the CPU time of a request is spent on, beside the byte pump.

  --connections N  connections that each send the next request once they have the
                   response, 1 to 512 (default 64)
  --rate N         that many requests a second instead, 1 to 20000
  --time D         for how long, 1s to 1m (default 10s)

The table has the byte pump, this proxy as shipped, bare (without an access log, with the
store in memory and the header's value as the key), and large (with three limits, 50 pools
and 200 routes). It needs Linux on x86-64, wrk and perf (on Debian, linux-perf), and the
right to sample the kernel: root, or kernel.perf_event_paranoid = -1 and
kernel.kptr_restrict = 0.
`

// parse reads the command line. For --help the error is flag.ErrHelp.
func parse(args []string) (settings, error) {
	s := settings{warmUp: 10 * time.Second}
	flags := flag.NewFlagSet("profile", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the error, and the help
	flags.IntVar(&s.connections, "connections", defaultConnections, "")
	flags.IntVar(&s.rate, "rate", 0, "")
	flags.DurationVar(&s.time, "time", 10*time.Second, "")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("unexpected argument %q; want flags only", flags.Arg(0))
	case s.connections < 1 || s.connections > 512:
		return settings{}, fmt.Errorf("unexpected --connections %d; want 1 to 512", s.connections)
	case s.rate < 0 || s.rate > 20_000:
		return settings{}, fmt.Errorf("unexpected --rate %d; want 1 to 20000", s.rate)
	case s.rate > 0 && s.connections != defaultConnections:
		return settings{}, errors.New("unexpected --rate and --connections together; want one of them")
	case s.time < time.Second || s.time > time.Minute:
		return settings{}, fmt.Errorf("unexpected --time %v; want 1s to 1m", s.time)
	}
	return s, nil
}

// profile profiles the proxies, and prints the table.
func profile(ctx context.Context, s settings, stderr io.Writer) error {
	b, err := open(ctx, s)
	if err != nil {
		return err
	}
	defer b.Close()
	var all []spent
	for _, p := range b.proxies {
		fmt.Fprintf(stderr, "profile: %s\n", p.Name)
		one, err := b.profile(ctx, p)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", p.Name, err), context.Cause(ctx))
		}
		all = append(all, one)
	}
	_, err = fmt.Print(table(all))
	return err
}
