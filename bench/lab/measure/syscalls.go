//go:build linux

package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"gopher-equalizer/bench/lab/child"
)

// ErrNoStrace reports that this machine can't count system calls.
var ErrNoStrace = errors.New("strace is not installed")

// Syscalls is a count of system calls in progress.
type Syscalls struct {
	strace  *child.Process
	summary string
}

// CountSyscalls starts counting the calls of all threads of the processes, with strace. That stops
// them twice a call, so nothing else is worth measuring meanwhile. dir is an empty folder.
func CountSyscalls(ctx context.Context, t Tree, dir string) (*Syscalls, error) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return nil, ErrNoStrace
	}
	s := &Syscalls{summary: filepath.Join(dir, "summary")}
	args := []string{"-f", "-c", "-U", "name,calls", "-o", s.summary}
	for _, pid := range t {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	if s.strace, err = child.Start(child.Program{Path: path, Args: args, Dir: dir}); err != nil {
		return nil, err
	}
	if err := s.strace.Await(ctx, func() error { return attached(filepath.Join(dir, "output.log"), len(t)) }); err != nil {
		s.strace.Stop()
		return nil, err
	}
	return s, nil
}

// attached reports whether strace has attached to that many processes.
func attached(log string, processes int) error {
	text, err := os.ReadFile(log)
	if n := bytes.Count(text, []byte(" attached")); err == nil && n < processes {
		err = fmt.Errorf("strace holds %d of %d processes", n, processes)
	}
	return err
}

// Stop ends the count and returns it.
func (s *Syscalls) Stop() (int64, error) {
	s.strace.Stop() // it sums up on SIGTERM
	summary, err := os.ReadFile(s.summary)
	if err != nil {
		return 0, err
	}
	return total(summary)
}

// total reads the last line of strace's summary: "total   1234".
func total(summary []byte) (int64, error) {
	for line := range bytes.Lines(summary) {
		if fields := bytes.Fields(line); len(fields) == 2 && string(fields[0]) == "total" {
			return strconv.ParseInt(string(fields[1]), 10, 64)
		}
	}
	return 0, errors.New("strace's summary has no total")
}
