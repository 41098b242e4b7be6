package main

import (
	"context"
	"fmt"
	"slices"
)

// command is a first word of the command line.
type command struct {
	name string
	run  func(ctx context.Context, args []string, t terminal) error
	// help is what --help prints.
	help string
	// verbs are the words that may follow; none for most commands.
	verbs []string
	// flags are those that it takes, if help is of the whole.
	flags []string
}

// commands are all, in the order in which messages name them.
func commands() []command {
	return []command{
		{name: "demo", run: runDemo, help: demoUsage},
		{name: "check", run: untimed(runCheck), help: usage, flags: append(flagNames(usage), "--print")},
		{name: "schema", run: untimed(runSchema), help: usage},
		{name: "reload", run: runReload, help: reloadUsage},
		{name: "status", run: runStatus, help: statusUsage},
		{name: "replicas", run: runReplicas, help: replicasUsage},
		{name: "backends", run: runBackends, help: backendsUsage, verbs: []string{"list", "ready", "drain", "maint", "weight", "reset"}},
		{name: "buckets", run: runBuckets, help: bucketsUsage, verbs: []string{"list", "get", "set", "reset", "purge"}},
		{name: "explain", run: runExplain, help: explainUsage},
		{name: "errors", run: runErrors, help: errorsUsage},
		{name: "top", run: runTop, help: topUsage},
		{name: "tail", run: runTail, help: tailUsage},
		{name: "bench", run: runBench, help: benchUsage},
		{name: "healthcheck", run: runHealthcheck, help: usage, flags: silentFlags()},
		{name: "completion", run: untimed(runCompletion), help: completionUsage, verbs: shells()},
		{name: "man", run: untimed(runMan), help: manUsage},
		{name: "version", run: untimed(runVersion), help: usage},
		{name: "help", run: untimed(runHelp), help: usage},
	}
}

// silentFlags are those of a command that prints nothing.
func silentFlags() []string {
	return slices.DeleteFunc(flagNames(adminFlagsUsage), func(name string) bool { return name == "--json" })
}

// untimed is a command that takes no time, and so needs no context.
func untimed(run func(args []string, t terminal) error) func(context.Context, []string, terminal) error {
	return func(_ context.Context, args []string, t terminal) error { return run(args, t) }
}

// commandNames are the names of all commands.
func commandNames() (names []string) {
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// commandNamed is the command of a name, if there is one.
func commandNamed(name string) (c command, found bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// execute carries out a command line.
func execute(ctx context.Context, args []string, t terminal) error {
	if len(args) == 0 || args[0] == "" {
		return runProxy(ctx, args, t)
	}
	name := args[0]
	if c, found := commandNamed(name); found {
		return c.run(ctx, args[1:], t)
	}
	switch {
	case name == "--version":
		return runVersion(args[1:], t)
	case name[0] != '-':
		return unknownCommand(name)
	}
	return runProxy(ctx, args, t)
}

// runHelp is `equalizer help [COMMAND]`.
func runHelp(args []string, t terminal) error {
	words, err := parseWith(newFlags("help", usage, t.stdout), args, 1)
	if err != nil {
		return err
	}
	text := usage
	if len(words) > 0 {
		c, found := commandNamed(words[0])
		if !found {
			return unknownCommand(words[0])
		}
		text = c.help
	}
	fmt.Fprint(t.stdout, text)
	return nil
}

// described is the command whose help explains args.
func described(args []string) string {
	if len(args) > 0 {
		if c, found := commandNamed(args[0]); found && c.help != usage {
			return "equalizer " + c.name
		}
	}
	return "equalizer"
}
