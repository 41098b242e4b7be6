package main

import (
	"errors"
	"fmt"

	"gopher-equalizer/config"
)

// runCheck is `equalizer check`: it prints everything that is wrong, and the warnings. With --print
// it prints what would be in force, and warns on standard error.
func runCheck(args []string, t terminal) error {
	o := newOptions("check", t)
	inForce := o.flags.Bool("print", false, "")
	if err := o.parse(args, 1); err != nil {
		return err
	}
	l, err := o.load(t.getenv)
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(t.stdout, problems)
		return fmt.Errorf("the configuration can't be used: problems found: %d", len(problems))
	}
	if err != nil {
		return err
	}
	warnings := t.stdout
	if *inForce {
		warnings = t.stderr
	}
	for _, w := range l.Warnings {
		fmt.Fprintln(warnings, "warning:", w)
	}
	if *inForce {
		return l.Print(t.stdout)
	}
	fmt.Fprintln(t.stdout, "the configuration is good")
	return nil
}
