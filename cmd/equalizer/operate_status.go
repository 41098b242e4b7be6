package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

const statusUsage = `equalizer status shows how a running process is, on one screen: whether it is ready,
its backends and why one is down, its limits, its store and its requests.

  equalizer status [--diff]

  --diff             show only what isn't as the configuration in force has it: what
                     was said of backends by API, and what a reload would change
                     because the file has changed
` + adminFlagsUsage

// runStatus is `equalizer status`.
func runStatus(ctx context.Context, args []string, t terminal) error {
	f := newAdminFlags("status", statusUsage, t).withJSON()
	diff := f.Bool("diff", false, "")
	if err := parse(f.flagSet, args); err != nil {
		return err
	}
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		if *diff {
			return f.printDiff(ctx, admin, t)
		}
		return f.printStatus(ctx, admin, t)
	})
}

// overview is what `equalizer status` shows: the API's responses by their paths.
type overview struct {
	Ready    string          `json:"ready"`
	Status   json.RawMessage `json:"status"`
	Backends json.RawMessage `json:"backends"`
	Limits   json.RawMessage `json:"limits"`
}

// printStatus prints the overview.
func (f *adminFlags) printStatus(ctx context.Context, admin *adminclient.Client, t terminal) error {
	var s screen
	var seen overview
	var err error
	if s.ready, err = readiness(ctx, admin); err != nil {
		return err
	}
	seen.Ready = s.ready
	for _, part := range []struct {
		path string
		into any
		raw  *json.RawMessage
	}{
		{"/status", &s.status, &seen.Status}, {"/backends", &s.backends, &seen.Backends}, {"/limits", &s.limits, &seen.Limits},
	} {
		response, err := admin.Get(ctx, part.path, part.into)
		if err != nil {
			return err
		}
		*part.raw = response.Body
	}
	response, err := encoded(seen)
	if err != nil {
		return err
	}
	s.address, s.now = admin.Address(), time.Now()
	return f.print(t.stdout, response, s.String)
}

// readiness is "ready", or why the process isn't.
func readiness(ctx context.Context, admin *adminclient.Client) (string, error) {
	_, err := admin.Call(ctx, http.MethodGet, "/readyz", nil)
	var refused *adminclient.Problem
	switch {
	case err == nil:
		return string(api.Ready), nil
	case errors.As(err, &refused) && refused.Reason != "":
		return refused.Reason, nil
	}
	return "", err
}

// screen is what people see of a process.
type screen struct {
	address, ready string
	status         api.Status
	backends       []api.Backend
	limits         []api.LimitView
	now            time.Time
}

func (s screen) String() string {
	uptime := brief(time.Duration(s.status.UptimeSeconds * float64(time.Second)))
	parts := []string{
		fmt.Sprintf("equalizer %s at %s: %s, up for %s\n", s.status.Version, s.address, s.ready, uptime),
		backendsTable(s.backends, s.now).String() + s.overridden(),
	}
	if len(s.limits) > 0 {
		parts = append(parts, s.limitsTable().String())
	}
	return strings.Join(append(parts, s.totals().String()), "\n")
}

// overridden explains the stars of the table of backends.
func (s screen) overridden() string {
	for _, b := range s.backends {
		if b.Override != nil {
			return "* said by API: `equalizer status --diff` shows what the configuration says\n"
		}
	}
	return ""
}

func (s screen) limitsTable() table {
	rows := table{{"LIMIT", "KEY", "CAPACITY", "REFILL", "BUCKETS", "OF", "SET BY OPERATORS", "OVERFLOW"}}
	for _, l := range s.limits {
		rows.add(l.Name, l.Key, l.Capacity, l.Refill, l.Buckets, l.MaxBuckets, l.Managed, l.OverflowTakes)
	}
	return rows
}

// totals are a line each about the store, the requests and the responses.
func (s screen) totals() table {
	var rows table
	if store := s.status.Store; store != nil {
		rows.add("store", storeText(*store, s.now))
	}
	if shared := s.status.Shared; shared != nil {
		rows.add("shared", sharedText(*shared))
	}
	r := s.status.Requests
	rows.add("requests", fmt.Sprintf("%d, %d in flight, on %d connections; %d limited, %d retried", r.Total, r.InFlight, r.Connections, r.Limited, r.Retries))
	rows.add("responses", fmt.Sprintf("2xx: %d, 3xx: %d, 4xx: %d, 5xx: %d; of its own, 502: %d, 503: %d, 504: %d",
		r.Responses.Successful, r.Responses.Redirection, r.Responses.ClientError, r.Responses.ServerError, r.BadGateway, r.Unavailable, r.GatewayTimeout))
	for _, p := range s.status.Pools {
		if q := p.Queue; q.Waiting > 0 || q.Waited+q.Refused+q.TimedOut+q.Left > 0 {
			rows.add("queue of "+p.Name, queueText(q))
		}
	}
	if h := s.status.HTTP2; h.Connections > 0 || h.Calmed+h.Faulty > 0 {
		rows.add("http/2", fmt.Sprintf("%d running, %d waiting, on %d connections; %d ended for their clients' faults, %d for too many oddities",
			h.Running, h.Waiting, h.Connections, h.Faulty, h.Calmed))
	}
	if !s.status.Reloads.LastAt.IsZero() {
		rows.add("reloads", reloadsText(s.status.Reloads, s.now))
	}
	if s.status.Log.Dropped > 0 {
		rows.add("log", fmt.Sprintf("%d lines dropped: %s", s.status.Log.Dropped, s.status.Log.Error))
	}
	return rows
}

// queueText tells of a pool's queue that had something to do.
func queueText(q api.QueueStatus) string {
	return fmt.Sprintf("%d of %d waiting; %d waited, half of them for up to %s and 1%% for more than %s; %d refused, %d too late, %d left",
		q.Waiting, q.Max, q.Waited, seconds(q.Wait.P50), seconds(q.Wait.P99), q.Refused, q.TimedOut, q.Left)
}

// seconds writes a time of less than a minute or so.
func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// reloadsText tells when the configuration was read last, and why it isn't in force.
func reloadsText(r api.ReloadsStatus, now time.Time) string {
	when := ago(r.LastAt.Time, now)
	if len(r.Mistakes) == 0 {
		return fmt.Sprintf("%d; last %s", r.Done+r.Failed, when)
	}
	text := fmt.Sprintf("%d; THE LAST FAILED %s: %s", r.Done+r.Failed, when, r.Mistakes[0])
	if more := len(r.Mistakes) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

func storeText(s api.StoreStatus, now time.Time) string {
	text := s.Driver + ", up"
	if !s.Up {
		text = s.Driver + ", AWAY: " + s.Error
	}
	if when := ago(s.LastFlush.Time, now); when != "" {
		text += "; last flush " + when
	}
	if s.Dirty > 0 {
		text += fmt.Sprintf(", %s to flush, for up to %s", count(int(s.Dirty), "bucket"), brief(time.Duration(s.LagSeconds*float64(time.Second))))
	}
	return text
}
