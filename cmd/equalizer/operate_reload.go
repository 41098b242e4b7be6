package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
	"gopher-equalizer/config"
)

// reloadTimeout is how long `equalizer reload` waits. Backends that are new are probed once, and
// another reload may run before this one.
const reloadTimeout = 2 * time.Minute

const reloadUsage = `equalizer reload has a running process read its configuration again. It applies the
file whole or not at all, loses no request, and prints what has changed. If the file
can't be used, every mistake is printed, nothing has changed, and the exit code is 1.

  equalizer reload -c /etc/equalizer/config.toml

` + adminFlagsUsage

// runReload is `equalizer reload`.
func runReload(ctx context.Context, args []string, t terminal) error {
	f := newAdminFlags("reload", reloadUsage, t).withJSON()
	f.timeout = reloadTimeout
	if err := parse(f.flagSet, args); err != nil {
		return err
	}
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		response, err := admin.Call(ctx, http.MethodPost, "/reload", struct{}{})
		if err != nil {
			f.printMistakes(err, t)
			return f.orFormer(err)
		}
		var done api.Reloaded
		if err := admin.Decode(response, &done); err != nil {
			return err
		}
		return f.print(t.stdout, response, func() string { return reloadedText(done) })
	})
}

// orFormer tells what to do where the file has another address or token than the process has yet.
func (f *adminFlags) orFormer(err error) error {
	var refused *adminclient.Problem
	switch {
	case f.admin == "" && errors.Is(err, adminclient.ErrNobody):
		return fmt.Errorf("%w.\nIf admin.listen has changed, the process still has the former one: give that by --admin, or send it SIGHUP", err)
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w.\nIf the token has changed, the process still has the former one: give that by --token-file, or send it SIGHUP", err)
	}
	return err
}

// printMistakes prints the mistakes for which a call was refused, one a line.
func (f *adminFlags) printMistakes(err error, t terminal) {
	var refused *adminclient.Problem
	if errors.As(err, &refused) && !f.json && len(refused.Mistakes) > 0 {
		fmt.Fprintln(t.stdout, refused.Mistakes)
	}
}

func reloadedText(done api.Reloaded) string {
	var out strings.Builder
	out.WriteString(changesText(done))
	what := "nothing has changed"
	if n := len(done.Changes); n > 0 {
		what = count(n, "change")
	}
	fmt.Fprintf(&out, "reloaded in %s: %s\n", brief(time.Duration(done.DurationSeconds*float64(time.Second))), what)
	return out.String()
}

// changesText is the difference between two configurations, and the warnings, one a line.
func changesText(r api.Reloaded) string {
	var out strings.Builder
	for _, d := range r.Changes {
		fmt.Fprintln(&out, config.Difference{Key: d.Key, Kind: config.DifferenceKind(d.Kind), Old: d.Old, New: d.New})
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(&out, "warning:", w)
	}
	return out.String()
}
