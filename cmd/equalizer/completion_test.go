package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A real bash completes commands, their verbs and their flags by the script.
func TestCompletionInBash(t *testing.T) {
	script := inShell(t, nil, "completion", "bash").stdout.String()
	f := func(line, want string) {
		t.Helper()
		words := strings.Split(line, " ")
		shell := exec.Command("bash", "-c", script+`
			COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _equalizer; echo "${COMPREPLY[*]}"`, "bash")
		shell.Args = append(shell.Args, words...)
		out, err := shell.CombinedOutput()
		require.NoError(t, err, string(out))
		assert.Equal(t, want, strings.TrimSpace(string(out)), line)
	}
	f("equalizer b", "backends buckets bench")
	f("equalizer --li", "--listen")
	f("equalizer backends d", "drain")
	f("equalizer backends drain --w", "--wait --within")
	f("equalizer buckets --t", "--tier --timeout --token-file --tokens")
	f("equalizer bench --th", "--through")
	f("equalizer completion ", "bash zsh fish")
	f("equalizer help relo", "reload")
	f("equalizer rep", "replicas")
	f("equalizer replicas --j", "--json")
	f("equalizer version x", "")
	f("equalizer check --p", "--print")
	f("equalizer check --li", "--listen")
	f("equalizer healthcheck --", "--admin --ca --timeout --token-file")
}

func TestCompletionForOtherShells(t *testing.T) {
	zsh := inShell(t, nil, "completion", "zsh").stdout.String()
	assert.Contains(t, zsh, "bashcompinit\n_equalizer() {")
	assert.True(t, strings.HasPrefix(zsh, "(( $+functions[compdef] )) ||"), "it works without a ~/.zshrc that has completion")
	fish := inShell(t, nil, "completion", "fish").stdout.String()
	assert.Contains(t, fish, "complete -c equalizer -n '__fish_use_subcommand' -a 'demo check schema reload ")
	assert.Contains(t, fish, "complete -c equalizer -n '__fish_seen_subcommand_from backends' -a 'list ready drain maint weight reset ")
}
