package main

import (
	"flag"
	"fmt"
	"strings"

	"gopher-equalizer/config"
)

// unknownFlag is the error about a flag that a command doesn't have, with the one that was probably
// meant.
func unknownFlag(name string, flags flagSet) error {
	var known []string
	flags.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	if meant := suggest(name, known); meant != "" {
		return usageError{fmt.Sprintf("unknown flag %s; did you mean %s?", dashed(name), dashed(meant))}
	}
	return usageError{fmt.Sprintf("unknown flag %s", dashed(name))}
}

// unknownCommand is the error about a first word that is no command.
func unknownCommand(name string) error {
	switch meant := suggest(name, commandNames()); {
	case meant != "":
		return usageError{fmt.Sprintf("unknown command %q; did you mean %s?", name, meant)}
	case strings.HasSuffix(name, ".toml"):
		return usageError{fmt.Sprintf("unknown command %q; did you mean -c %s?", name, name)}
	}
	return usageError{fmt.Sprintf("unknown command %q; want %s, or flags to run the proxy", name, strings.Join(commandNames(), ", "))}
}

// dashed is a flag as its command's help writes it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// elsewhere is our flag for the name that other tools have for it.
func elsewhere(name string) []string {
	switch strings.ToLower(name) {
	case "config", "conf", "file", "f":
		return []string{"c"}
	case "port", "bind", "addr", "address", "frontend", "http":
		return []string{"listen"}
	case "upstream", "server", "to", "proxy-pass", "origin":
		return []string{"backend", "target"}
	case "burst", "tokens", "max":
		return []string{"capacity"}
	case "rate", "limit", "rps":
		return []string{"refill"}
	case "db", "database", "data", "postgres":
		return []string{"store"}
	}
	return nil
}

// suggest is the known name that was probably meant by another: one that begins with it, that is a
// few keystrokes away, or that other tools call so. It is "" if there is none.
func suggest(name string, known []string) string {
	given := strings.ToLower(name)
	best, least := "", len(given)/3+1
	for _, candidate := range known {
		if len(given) > 1 && strings.HasPrefix(candidate, given) {
			return candidate
		}
		if d := config.Edits(given, candidate); d <= least && d < len(candidate) && (best == "" || d < least) {
			best, least = candidate, d
		}
	}
	if best != "" {
		return best
	}
	for _, meant := range elsewhere(given) {
		for _, candidate := range known {
			if candidate == meant {
				return candidate
			}
		}
	}
	return ""
}
