package acme

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// Hook is a program that puts records into the DNS, for DNS-01. It is run with "present" or
// "cleanup" behind its arguments, and the environment of this process, without our own variables
// and with ACME_DOMAIN, the domain; ACME_RECORD, the name of the TXT record, such as
// "_acme-challenge.example.com"; and ACME_VALUE, its text. Several values may have to stand beside
// each other under one name. An exit status other than 0 is a failure, whose reason is what was
// written to standard error.
type Hook struct {
	// Command is the program and its arguments; nil is no hook.
	Command []string
	// Timeout bounds each run.
	Timeout time.Duration
	// Propagation is how long the DNS takes to show a record to everybody, once present has
	// returned.
	Propagation time.Duration
}

func (h Hook) equal(o Hook) bool {
	return slices.Equal(h.Command, o.Command) && h.Timeout == o.Timeout && h.Propagation == o.Propagation
}

// Present implements acmez.Solver.
func (h Hook) Present(ctx context.Context, c acme.Challenge) error { return h.run(ctx, "present", c) }

// CleanUp implements acmez.Solver.
func (h Hook) CleanUp(ctx context.Context, c acme.Challenge) error { return h.run(ctx, "cleanup", c) }

// Wait implements acmez.Waiter.
func (h Hook) Wait(ctx context.Context, _ acme.Challenge) error {
	return pause(ctx, h.Propagation)
}

const (
	// ownVariables is what the names of our own environment variables begin with. Some are secret.
	ownVariables = "EQUALIZER_"
	// outputDelay is for how long what a killed hook has started may hold its output open.
	outputDelay = time.Second
	// reasonSize bounds how much of a hook's output an error has, from its end.
	reasonSize = 500
)

func (h Hook) run(ctx context.Context, action string, c acme.Challenge) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.Timeout, fmt.Errorf("it took longer than %v", h.Timeout))
	defer cancel()
	var said tail
	cmd := exec.CommandContext(ctx, h.Command[0], append(h.Command[1:len(h.Command):len(h.Command)], action)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, ownVariables) }),
		"ACME_DOMAIN="+c.Identifier.Value, "ACME_RECORD="+c.DNS01TXTRecordName(), "ACME_VALUE="+c.DNS01KeyAuthorization())
	cmd.Stderr = &said
	cmd.WaitDelay = outputDelay
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("the DNS hook %s %s: %w: %s", h.Command[0], action, err, strings.TrimSpace(string(said)))
}

// tail keeps the last bytes that are written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	all := append(*t, p...)
	*t = all[max(0, len(all)-reasonSize):]
	return len(p), nil
}
