//go:build linux

package program

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain is also the program of TestSignals.
func TestMain(m *testing.M) {
	if os.Getenv("WAITS") == "" {
		os.Exit(m.Run())
	}
	Program[int]{
		Name: "wait", Parse: func([]string) (int, error) { return 0, nil },
		Do: func(ctx context.Context, _ int, stderr io.Writer) error {
			fmt.Fprintln(stderr, "waits")
			<-ctx.Done()
			return context.Cause(ctx)
		},
	}.Main()
}

func TestSignals(t *testing.T) {
	// Signals that are ignored stay ignored in children, such as SIGHUP under nohup. Those that are
	// caught here aren't.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	t.Cleanup(func() { signal.Reset(syscall.SIGHUP) })
	f := func(want, command string, signals ...os.Signal) {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-c", command, os.Args[0])
		cmd.Env = append(os.Environ(), "WAITS=yes")
		stderr, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		said := bufio.NewReader(stderr)
		line, err := said.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "waits\n", line)
		for _, s := range signals {
			require.NoError(t, cmd.Process.Signal(s))
		}
		rest, err := io.ReadAll(said)
		require.NoError(t, err)
		assert.Equal(t, "wait: "+want+" signal received\n", string(rest))
		assert.ErrorContains(t, cmd.Wait(), "exit status 1")
	}
	f("interrupt", "exec $0", os.Interrupt)
	f("terminated", "exec $0", syscall.SIGTERM)
	f("hangup", "exec $0", syscall.SIGHUP)
	f("terminated", "trap '' HUP; exec $0", syscall.SIGHUP, syscall.SIGTERM) // as by nohup
}

func TestTyped(t *testing.T) {
	assert.Equal(t, "make soak", Typed("soak", nil))
	assert.Equal(t, `make soak ARGS="--time 20s --mix slow"`, Typed("soak", []string{"--time", "20s", "--mix", "slow"}))
}

func TestProgram(t *testing.T) {
	p := Program[int]{
		Name: "count", Usage: "count counts.\n",
		Parse: func(args []string) (int, error) {
			if args[0] == "--help" {
				return 0, fmt.Errorf("asked: %w", flag.ErrHelp)
			}
			var n int
			_, err := fmt.Sscan(args[0], &n)
			return n, err
		},
		Do: func(_ context.Context, n int, stderr io.Writer) error {
			if n > 3 {
				return errors.New("too far")
			}
			fmt.Fprintln(stderr, "count: at", n)
			return nil
		},
	}
	f := func(arg string, code int, out, errs string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		assert.Equal(t, code, p.Run(t.Context(), []string{arg}, &stdout, &stderr))
		assert.Equal(t, []string{out, errs}, []string{stdout.String(), stderr.String()})
	}
	f("--help", 0, "count counts.\n", "")
	f("3", 0, "", "count: at 3\n")
	f("4", ExitFailed, "", "count: too far\n")
	f("x", ExitUsage, "", "count: expected integer\nRun with --help for usage.\n")
}
