//go:build e2e

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// zsh and fish, which .ci/peers installs, take the scripts without any configuration of their own.
func TestCompletionInOtherShells(t *testing.T) {
	f := func(want, shell string, args ...string) {
		t.Helper()
		path, err := exec.LookPath(shell)
		require.NoError(t, err, "there is no %s; .ci/peers installs it", shell)
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Stdin = strings.NewReader(inShell(t, nil, "completion", shell).stdout.String())
		cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Equal(t, want, string(out))
	}
	f("_bash_complete -o default -F _equalizer\n", "zsh", "-f", "-c", "source /dev/stdin && echo $_comps[equalizer]")
	f("drain\n", "fish", "-c", "source; complete -C 'equalizer backends dr'")
}
