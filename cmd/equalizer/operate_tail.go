package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
	"gopher-equalizer/cmd/equalizer/internal/loglines"
)

const tailUsage = `equalizer tail shows the requests of a running process as they end: the lines that its
access log would have of all of them, also if it has fewer, or none.

  equalizer tail
  equalizer tail --status 5xx --route shop
  equalizer tail --client 192.0.2.7 --reason limited
  equalizer tail --min-duration 250ms

  --status S         those with a status such as 404, of a class such as 5xx, or in a
                     range such as 400-499
  --route NAME       those of a route
  --client C         those of a client: its address, or its client_id as the log has it
  --reason R         those that failed or were refused for a reason, such as limited
  --min-duration D   those that took so long, such as 250ms
` + adminFlagsUsage + `
There are 500 lines a second at most: of more requests one in so many, at random, which
its line says as sample. Requests that have no line are counted on standard error.
`

// runTail is `equalizer tail`.
func runTail(ctx context.Context, args []string, t terminal) error {
	f := newAdminFlags("tail", tailUsage, t).withJSON()
	wanted := url.Values{}
	for flag, parameter := range map[string]string{
		"status": "status", "route": "route", "client": "client", "reason": "reason", "min-duration": "min_duration",
	} {
		f.Func(flag, "", func(value string) error { wanted.Set(parameter, value); return nil })
	}
	if err := parse(f.flagSet, args); err != nil {
		return err
	}
	path := "/tail"
	if len(wanted) > 0 {
		path += "?" + wanted.Encode()
	}
	render := loglines.Console(isTerminal(t.stdout))
	return f.follow(ctx, t, path, func(*adminclient.Client) {}, func(e adminclient.Event) error {
		switch {
		case e.Name == "left_out":
			var left api.LeftOut
			if err := json.Unmarshal(e.Data, &left); err != nil {
				return fmt.Errorf("the admin API sent an event of another version: %w", err)
			}
			fmt.Fprintf(t.stderr, "equalizer: %s more, which have no line\n", count(int(left.Requests), "request"))
		case e.Name == "line" && f.json:
			_, err := fmt.Fprintf(t.stdout, "%s\n", e.Data)
			return err
		case e.Name == "line":
			render(t.stdout, e.Data)
		}
		return nil
	})
}
