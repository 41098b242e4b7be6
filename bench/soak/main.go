//go:build linux

// Command soak keeps the real binary under mixed load for half an hour and sees that what it
// holds ends where it began: memory, file descriptors, goroutines. bench/README.md says how it judges.
//
//	go run ./bench/soak              # 30 minutes
//	go run ./bench/soak --time 60s   # what CI runs
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == backendMode {
		fmt.Fprintln(os.Stderr, serveBackend())
		os.Exit(exitFailed)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Exit codes besides 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(stdout, usage, strings.Join(names(kinds()), ","))
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "soak: %v\nRun with --help for usage.\n", err)
		return exitUsage
	}
	say := func(format string, args ...any) { fmt.Fprintf(stderr, "soak: "+format+"\n", args...) }
	r, err := soak(ctx, s, say)
	if err != nil {
		say("%v", err)
		return exitFailed
	}
	if err := r.write(s.out); err != nil {
		say("%v", err)
		return exitFailed
	}
	say("the report is in %s", s.out)
	for _, wrong := range r.Wrong {
		say("FAILED: %s", wrong)
	}
	if len(r.Wrong) > 0 {
		return exitFailed
	}
	return 0
}
