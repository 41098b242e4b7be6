package main

import (
	"context"
	"fmt"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

const errorsUsage = `equalizer errors lists the last messages that a running process refused since they were
malformed, newest first: clients' requests, and backends' responses. For each it has the
rule that was broken, and where in the message: nothing of a value or of a query.

  equalizer errors

` + adminFlagsUsage

// runErrors is `equalizer errors`.
func runErrors(ctx context.Context, args []string, t terminal) error {
	f := newAdminFlags("errors", errorsUsage, t).withJSON()
	if err := parse(f.flagSet, args); err != nil {
		return err
	}
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		var all []api.RefusedMessage
		response, err := admin.Get(ctx, "/errors", &all)
		if err != nil {
			return err
		}
		return f.print(t.stdout, response, func() string { return errorsText(all, time.Now()) })
	})
}

func errorsText(all []api.RefusedMessage, now time.Time) string {
	if len(all) == 0 {
		return "no message was refused\n"
	}
	rows := table{{"WHEN", "REFUSED", "METHOD", "RULE", "FIELD", "AT BYTE", "AROUND IT"}}
	for _, m := range all {
		rows.add(ago(m.Time.Time, now), m.Refused, m.Method, m.Reason, m.Field, m.Offset, fmt.Sprintf("%q", m.Excerpt))
	}
	return rows.String()
}
