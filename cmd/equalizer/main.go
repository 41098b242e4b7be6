package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Exit codes besides 0.
const (
	exitFailed      = 1   // the command failed
	exitUsage       = 2   // the command line makes no sense
	exitInterrupted = 130 // a second signal stopped it at once; shells report an interrupt so
)

func main() {
	nameLogFields()
	os.Exit(run(context.Background(), os.Args[1:], terminal{
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		getenv:  os.Getenv,
		signals: catchSignals,
		kill:    os.Exit,
	}))
}

// terminal is the world around a command.
type terminal struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	signals        func(...os.Signal) <-chan os.Signal // catches those that come from then on
	kill           func(code int)                      // ends the process at once
}

// run carries out one command line and returns the exit code.
func run(ctx context.Context, args []string, t terminal) int {
	err := command(ctx, args, t)
	var misuse usageError
	var logged loggedError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0 // The help was printed.
	case errors.As(err, &misuse):
		fmt.Fprintf(t.stderr, "equalizer: %v\nRun '%s --help' for usage.\n", err, described(args))
		return exitUsage
	case errors.As(err, &logged):
		return exitFailed
	}
	fmt.Fprintf(t.stderr, "equalizer: %v\n", err)
	return exitFailed
}

func command(ctx context.Context, args []string, t terminal) error {
	if len(args) == 0 {
		return runProxy(ctx, args, t)
	}
	switch name := args[0]; {
	case name == "demo":
		return runDemo(ctx, args[1:], t)
	case name == "check":
		return runCheck(args[1:], t)
	case name == "bench":
		return runBench(ctx, args[1:], t)
	case name == "healthcheck":
		return runHealthcheck(args[1:], t)
	case name == "version" || name == "--version":
		return runVersion(args[1:], t)
	case name == "help":
		fmt.Fprint(t.stdout, usage)
		return nil
	case name != "" && name[0] != '-':
		return unknownCommand(name)
	}
	return runProxy(ctx, args, t)
}

// described is the command whose help explains the flags in args.
func described(args []string) string {
	if len(args) > 0 && (args[0] == "bench" || args[0] == "demo") {
		return "equalizer " + args[0]
	}
	return "equalizer"
}

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }
