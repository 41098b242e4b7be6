//go:build linux

// Package program is what the command lines of the benchmarks' programs have in common.
package program

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

	"gopher-equalizer/bench/lab/child"
)

// Exit codes besides 0.
const (
	ExitFailed = 1
	ExitUsage  = 2
)

// Program is a command line program with settings S. Its errors and messages are lines that begin
// with its name.
type Program[S any] struct {
	Name  string
	Usage string
	// Parse reads the arguments. Its error is flag.ErrHelp if they ask for help.
	Parse func(args []string) (S, error)
	// Do runs with the settings, until it is done or ctx ends. It reports its progress on stderr.
	Do func(ctx context.Context, s S, stderr io.Writer) error
}

// Main runs the program until it is done or interrupted, and ends the process.
func (p Program[S]) Main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signals = append(signals, syscall.SIGHUP) // the terminal was closed
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	if err := home(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		os.Exit(ExitFailed)
	}
	os.Exit(p.Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// Typed is the command that runs a program of make's targets again, with these arguments.
func Typed(target string, args []string) string {
	if len(args) == 0 {
		return "make " + target
	}
	return fmt.Sprintf("make %s ARGS=%q", target, strings.Join(args, " "))
}

// home changes to the product's folder, from which the settings' paths lead.
func home(ctx context.Context) error {
	root, err := child.Root(ctx)
	if err != nil {
		return err
	}
	return os.Chdir(root)
}

// Run runs the program and returns its exit code.
func (p Program[S]) Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := p.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, p.Usage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nRun with --help for usage.\n", p.Name, err)
		return ExitUsage
	}
	if err := p.Do(ctx, s, stderr); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return ExitFailed
	}
	return 0
}
