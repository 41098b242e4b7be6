// Package ci holds what CI and the Makefile run. These tests run the scripts with the
// programs that they call replaced by stubs.
package ci

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// machine is a made-up machine: a folder with programs, which is all that the PATH has.
type machine struct {
	t    *testing.T
	root string
	env  []string
}

// newMachine makes a machine that has these of the real one's programs.
func newMachine(t *testing.T, programs ...string) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir()}
	m.env = []string{"PATH=" + m.path("bin"), "TMPDIR=" + m.root, "CALLS=" + m.path("calls")}
	m.write("calls", "", 0o644)
	for _, program := range append(programs, "sh", "env") {
		real, err := exec.LookPath(program)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(m.path("bin"), 0o755))
		require.NoError(t, os.Symlink(real, m.path("bin", program)))
	}
	return m
}

func (m *machine) path(elements ...string) string {
	return filepath.Join(append([]string{m.root}, elements...)...)
}

func (m *machine) write(path, text string, mode os.FileMode) {
	m.t.Helper()
	require.NoError(m.t, os.MkdirAll(filepath.Dir(m.path(path)), 0o755))
	require.NoError(m.t, os.WriteFile(m.path(path), []byte(text), mode))
}

func (m *machine) remove(path string) {
	m.t.Helper()
	require.NoError(m.t, os.Remove(m.path(path)))
}

// stub adds a program that notes how it was called and goes on with a script.
func (m *machine) stub(path, script string) {
	m.t.Helper()
	m.write(path, "#!/bin/sh\necho \"${0##*/} $*\" >>\"$CALLS\"\n"+script+"\n", 0o755)
}

// calls are those of stubs, in order.
func (m *machine) calls() []string {
	m.t.Helper()
	text, err := os.ReadFile(m.path("calls"))
	require.NoError(m.t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// run runs a script and returns what it printed, and its exit code.
func (m *machine) run(script string, args ...string) (stdout, stderr string, code int) {
	m.t.Helper()
	return m.runIn("", script, args...)
}

// runIn runs it in a folder; "" is this one.
func (m *machine) runIn(dir, script string, args ...string) (stdout, stderr string, code int) {
	m.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(script, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, m.env, &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); !exited {
		require.NoError(m.t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}
