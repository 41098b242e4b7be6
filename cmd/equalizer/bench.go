package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"gopher-equalizer/bench"
)

// runBench is `equalizer bench`: it measures what the proxy costs in the user's own deployment. The
// report is printed even if the run was interrupted or gave up.
func runBench(ctx context.Context, args []string, t terminal) error {
	s, asJSON, err := parseBench(args, t)
	if err != nil {
		return err
	}
	ctx, stopWatching := watchSignals(ctx, t)
	defer stopWatching()
	fmt.Fprintln(t.stderr, announce(s))
	report, failed := bench.Run(ctx, s)
	return errors.Join(failed, printReport(t.stdout, report, asJSON))
}

// parseBench reads the flags, and checks them.
func parseBench(args []string, t terminal) (s bench.Settings, asJSON bool, err error) {
	s = bench.Default()
	var lines []string
	flags := newFlags("bench", benchUsage, t.stdout)
	flags.StringVar(&s.Target, "target", "", "")
	flags.StringVar(&s.Through, "through", "", "")
	flags.Func("header", "", func(line string) error {
		lines = append(lines, line) // Parsed later: the flag package's errors quote the value, which may be a secret.
		return nil
	})
	flags.IntVar(&s.Rate, "rate", s.Rate, "")
	flags.DurationVar(&s.Duration, "duration", s.Duration, "")
	flags.DurationVar(&s.Timeout, "timeout", s.Timeout, "")
	flags.BoolVar(&asJSON, "json", false, "")
	if err = parse(flags, args); err != nil {
		return s, false, err
	}
	if s.Header, err = parseHeader(lines); err == nil {
		err = s.Validate()
	}
	if err != nil {
		return s, false, usageError{"--" + err.Error()}
	}
	return s, asJSON, nil
}

// parseHeader takes lines of "Name: value".
func parseHeader(lines []string) (http.Header, error) {
	h := http.Header{}
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("header number %d has no colon; want 'NAME: VALUE'", i+1)
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}

// announce is the line before a run: which requests go where.
func announce(s bench.Settings) string {
	to := s.Target
	if s.Through != "" {
		to += " and " + s.Through + " by turns"
	}
	return fmt.Sprintf("%d requests a second for %v to %s; Ctrl-C ends it and prints what there is", s.Rate, s.Duration, to)
}

func printReport(w io.Writer, r bench.Report, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprint(w, r)
		return err
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false) // URLs stay as they are.
	out.SetIndent("", "  ")
	return out.Encode(r)
}
