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
	err := execute(ctx, args, t)
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

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }
