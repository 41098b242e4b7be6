package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const completionUsage = `equalizer completion prints a script with which a shell completes commands and flags.

  source <(equalizer completion bash)
  source <(equalizer completion zsh)
  equalizer completion fish | source

To keep it, put the line into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish.
`

// shells are those that there are scripts for.
func shells() []string { return []string{"bash", "zsh", "fish"} }

// runCompletion is `equalizer completion`.
func runCompletion(args []string, t terminal) error {
	words, err := parseWith(newFlags("completion", completionUsage, t.stdout), args, 1)
	if err != nil {
		return err
	}
	shell := ""
	if len(words) > 0 {
		shell = words[0]
	}
	write := map[string]func() string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[shell]
	if write == nil {
		return usageError{fmt.Sprintf("unexpected shell %q; want one of %s", shell, strings.Join(shells(), ", "))}
	}
	fmt.Fprint(t.stdout, write())
	return nil
}

// flagNames are the flags that a help explains, each at the beginning of a line, with a dash or
// two.
func flagNames(help string) (names []string) {
	for _, found := range regexp.MustCompile(`(?m)^  (--?[a-z][a-z-]*)`).FindAllStringSubmatch(help, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// candidates are a line for each command, with what may follow it. The first line is of no command.
func candidates(line func(name string, follow []string) string) string {
	var out strings.Builder
	out.WriteString(line("", append(commandNames(), flagNames(usage)...)))
	for _, c := range commands() {
		follow := slices.Clone(c.verbs)
		if c.help != usage {
			follow = append(follow, flagNames(c.help)...)
		}
		follow = append(follow, c.flags...)
		if c.name == "help" {
			follow = commandNames()
		}
		out.WriteString(line(c.name, follow))
	}
	return out.String()
}

func bashCompletion() string {
	cases := candidates(func(name string, follow []string) string {
		return fmt.Sprintf("\t%q) follow=%q ;;\n", name, strings.Join(follow, " "))
	})
	return `_equalizer() {
	local follow name=${COMP_WORDS[1]}
	[ "$COMP_CWORD" -le 1 ] && name=
	case $name in
` + cases + `	esac
	COMPREPLY=($(compgen -W "$follow" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _equalizer equalizer
`
}

func zshCompletion() string {
	return "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n" +
		"autoload -Uz bashcompinit && bashcompinit\n" + bashCompletion()
}

func fishCompletion() string {
	return candidates(func(name string, follow []string) string {
		when := "__fish_use_subcommand"
		if name != "" {
			when = "__fish_seen_subcommand_from " + name
		}
		if len(follow) == 0 {
			return ""
		}
		return fmt.Sprintf("complete -c equalizer -n '%s' -a '%s'\n", when, strings.Join(follow, " "))
	})
}
