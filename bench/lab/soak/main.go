//go:build linux

// Command soak keeps the real binary under mixed load for half an hour, and checks that what it
// holds ends where it began: memory, file descriptors, goroutines. bench/README.md has its
// criteria.
//
//	make soak                     # 30 minutes
//	make soak ARGS="--time 60s"   # what CI runs
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gopher-equalizer/bench/lab/program"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == backendMode {
		fmt.Fprintln(os.Stderr, serveBackend())
		os.Exit(program.ExitFailed)
	}
	soaking().Main()
}

func soaking() program.Program[settings] {
	return program.Program[settings]{Name: "soak", Usage: fmt.Sprintf(usage, strings.Join(names(kinds()), ",")), Parse: parse, Do: soakAndReport}
}

// soakAndReport fails if anything didn't end where it began, with a line for each.
func soakAndReport(ctx context.Context, s settings, stderr io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(stderr, "soak: "+format+"\n", args...) }
	r, err := soak(ctx, s, say)
	if err != nil {
		return err
	}
	if err := r.write(s.folders); err != nil {
		return err
	}
	say("the report is in %s", s.folders.All)
	for _, wrong := range r.Wrong {
		say("FAILED: %s", wrong)
	}
	if len(r.Wrong) > 0 {
		return errors.New("what it holds didn't end where it began")
	}
	return nil
}
