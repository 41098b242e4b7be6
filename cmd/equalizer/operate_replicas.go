package main

import (
	"context"
	"fmt"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

const replicasUsage = `equalizer replicas lists the processes that share every client's bucket with a running
one, as store.shared = true has them do, and says what that one holds and for how long
it may spend it.

  equalizer replicas

` + adminFlagsUsage

// runReplicas is `equalizer replicas`.
func runReplicas(ctx context.Context, args []string, t terminal) error {
	f := newAdminFlags("replicas", replicasUsage, t).withJSON()
	if err := parse(f.flagSet, args); err != nil {
		return err
	}
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		var view api.ReplicasView
		response, err := admin.Get(ctx, "/replicas", &view)
		if err != nil {
			return err
		}
		return f.print(t.stdout, response, func() string { return replicasText(view, time.Now()) })
	})
}

// replicasText are the replicas as a table, and below it the one that was asked.
func replicasText(v api.ReplicasView, now time.Time) string {
	is := printable(v.Replica) + fmt.Sprintf(" holds %s of %s", count(int(v.Held), "token"), count(int(v.Leases), "client"))
	if v.CutOff {
		is += ", and may spend NONE: it is CUT OFF from the store\n"
	} else {
		is += fmt.Sprintf(", and may spend them for %s without the store\n", brief(v.SpendsUntil.Sub(now)))
	}
	if v.Error != "" {
		return fmt.Sprintf("the store doesn't say which replicas there are: %s; there were %d\n%s", printable(v.Error), v.Alive, is)
	}
	rows := table{{"REPLICA", "HOST", "PID", "JOINED", "EXPIRES IN"}}
	for _, r := range v.Replicas {
		name := r.Name
		if r.Self {
			name += "*"
		}
		rows.add(name, r.Host, r.PID, ago(r.Since.Time, now), brief(r.Expires.Sub(now)))
	}
	return rows.String() + "* " + is
}

// sharedText tells what a process does as a replica.
func sharedText(s api.SharedStatus) string {
	text := fmt.Sprintf("%s, one of %s", s.Replica, count(s.Alive, "replica"))
	if s.CutOff {
		text = s.Replica + ", CUT OFF from the store"
	}
	return text + fmt.Sprintf("; holds %s of %s; %s, %d late, %d failed; %s waited, %d in vain",
		count(int(s.Held), "token"), count(int(s.Leases), "client"), count(int(s.Rounds), "round"), s.LateRounds, s.FailedRounds,
		count(int(s.Waits), "request"), s.WaitsInVain)
}
