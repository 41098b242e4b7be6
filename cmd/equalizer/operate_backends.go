package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer"
	"gopher-equalizer/cmd/equalizer/internal/adminclient"
)

const backendsUsage = `equalizer backends shows the backends of a running process, and changes what is wanted
of one. What is said here holds at once, wins over the configuration, and outlives
restarts and reloads, until reset ends it.

  equalizer backends [list] [--pool POOL]
  equalizer backends ready ID             it gets requests while it is healthy
  equalizer backends drain ID [--wait]    it gets no new requests, and finishes its own
  equalizer backends maint ID [--wait]    it gets none, and isn't probed: switch it off
  equalizer backends weight ID N          its share, 1 to 100
  equalizer backends reset ID             what the configuration says of it counts again

ID is POOL/URL as list prints it, or a part of that which only one has, such as
10.0.0.7 or web/10.0.0.7:3000. If each address of a name is a backend, POOL/URL@ADDRESS,
what is said of POOL/URL holds for all of them.

  --pool POOL        list only the backends of this pool
  --wait             with drain and maint: return once it has no request any more
  --within D         give up waiting after this time, and exit 1 (default: never)
` + adminFlagsUsage

// statePoll is the time between two looks at a backend that is waited for.
const statePoll = 200 * time.Millisecond

// backendsFlags are the flags of `equalizer backends`.
type backendsFlags struct {
	*adminFlags
	pool   string
	wait   bool
	within time.Duration
}

// runBackends is `equalizer backends`.
func runBackends(ctx context.Context, args []string, t terminal) error {
	f := newBackendsFlags(t)
	words, err := parseWith(f.flagSet, args, 3)
	if err != nil {
		return err
	}
	verb := "list"
	if len(words) > 0 {
		verb, words = words[0], words[1:]
	}
	if err := f.check(verb, words); err != nil {
		return err
	}
	if verb == "list" {
		return f.list(ctx, t)
	}
	return f.change(ctx, t, verb, words)
}

func newBackendsFlags(t terminal) *backendsFlags {
	f := &backendsFlags{adminFlags: newAdminFlags("backends", backendsUsage, t).withJSON()}
	f.StringVar(&f.pool, "pool", "", "")
	f.BoolVar(&f.wait, "wait", false, "")
	f.DurationVar(&f.within, "within", 0, "")
	return f
}

// check finds what makes no sense in the command line.
func (f *backendsFlags) check(verb string, words []string) error {
	wanted := 1
	switch verb {
	case "list":
		wanted = 0
	case "weight":
		wanted = 2
	}
	if err := checkVerb("backends", verb, words, wanted); err != nil {
		return err
	}
	switch isState := verb == "drain" || verb == "maint"; {
	case wanted > 0 && strings.TrimSpace(words[0]) == "":
		return usageError{"the ID is empty; want POOL/URL as `equalizer backends` lists it, or a part of that"}
	case f.wait && !isState:
		return usageError{"--wait is for drain and maint"}
	case f.within != 0 && !f.wait:
		return usageError{"--within is for --wait"}
	case f.within < 0:
		return usageError{fmt.Sprintf("--within %v is out of range; want a duration above 0, such as 30s", f.within)}
	case f.pool != "" && verb != "list":
		return usageError{"--pool is for list; elsewhere the pool is a part of the ID"}
	}
	return nil
}

// list prints the backends.
func (f *backendsFlags) list(ctx context.Context, t terminal) error {
	return f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		var all []api.Backend
		response, err := admin.Get(ctx, "/backends", &all)
		if err != nil {
			return err
		}
		if f.pool != "" {
			all = slices.DeleteFunc(all, func(b api.Backend) bool { return b.Pool != f.pool })
			if response, err = encoded(all); err != nil {
				return err
			}
		}
		return f.print(t.stdout, response, func() string { return backendsTable(all, time.Now()).String() })
	})
}

func backendsTable(all []api.Backend, now time.Time) table {
	rows := table{{"BACKEND", "STATE", "WEIGHT", "HEALTH", "IN FLIGHT", "REQUESTS", "FAILURES", "LAST PROBE"}}
	for _, b := range all {
		probe := b.LastProbe
		if when := ago(b.LastProbeAt.Time, now); when != "" {
			probe += ", " + when
		}
		if b.LookupError != "" {
			probe += "; lookup: " + b.LookupError
		}
		if b.Ejected {
			probe += "; ejected: " + b.EjectedWhy
		}
		rows.add(b.ID, stateText(b), weightText(b), healthText(b), b.InFlight, b.Requests, b.Failures, probe)
	}
	return rows
}

// stateText is a backend's state, with a star if it isn't the configuration's, and whether it is a
// backup.
func stateText(b api.Backend) string {
	text := string(b.State)
	if b.Override != nil && b.Override.State != "" {
		text += "*"
	}
	if b.Backup {
		text += " (backup)"
	}
	return text
}

// weightText is a backend's weight, with a star if it isn't the configuration's, and in a slow
// start what it has grown to.
func weightText(b api.Backend) string {
	text := strconv.Itoa(b.Weight)
	if b.Override != nil && b.Override.Weight != 0 {
		text += "*"
	}
	if now := b.EffectiveWeight; now != 0 && now != float64(b.Weight) {
		text += fmt.Sprintf(" (now %.2f)", now)
	}
	return text
}

func healthText(b api.Backend) string {
	switch {
	case b.State == balancer.Maint:
		return "" // It isn't probed.
	case b.Healthy && b.Ejected:
		return "EJECTED"
	case b.Healthy:
		return "up"
	case b.LastProbeAt.IsZero():
		return "not probed"
	}
	return "DOWN"
}

// change carries out a verb that changes a backend.
func (f *backendsFlags) change(ctx context.Context, t terminal, verb string, words []string) error {
	var body any
	switch verb {
	case "weight":
		weight, err := strconv.Atoi(words[1])
		if err != nil {
			return usageError{fmt.Sprintf("the weight is %q; want a whole number from 1 to 100", words[1])}
		}
		body = map[string]int{"weight": weight}
	case "ready", "drain", "maint":
		body = map[string]string{"state": verb}
	}
	var b api.Backend
	err := f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		id, err := f.find(ctx, admin, words[0])
		if err != nil {
			return err
		}
		method, path := http.MethodPatch, api.BackendPath(id)
		if verb == "reset" {
			method, path = http.MethodDelete, path+"/override"
		}
		response, err := admin.Call(ctx, method, path, body)
		if err != nil {
			return err
		}
		if err := admin.Decode(response, &b); err != nil || f.wait {
			return err
		}
		return f.print(t.stdout, response, func() string { return backendText(b) })
	})
	if err != nil || !f.wait {
		return err
	}
	return f.await(ctx, t, b)
}

// backendText is one sentence about a backend that was changed.
func backendText(b api.Backend) string {
	text := fmt.Sprintf("%s: %s, weight %d, %d in flight", b.ID, b.State, b.Weight, b.InFlight)
	if !b.Stored {
		text += "; not stored: a restart now would undo this"
	}
	return text + "\n"
}

// find is the id of the backend that a part of an id names.
func (f *backendsFlags) find(ctx context.Context, admin *adminclient.Client, part string) (string, error) {
	var all []api.Backend
	if _, err := admin.Get(ctx, "/backends", &all); err != nil {
		return "", err
	}
	var ids []string
	for _, b := range all {
		if id := b.Pool + "/" + b.URL; !slices.Contains(ids, id) { // All addresses of a name are changed.
			ids = append(ids, id)
		}
	}
	return findID(ids, part)
}

// findID is the only id that a text names: as it is, without the scheme of its URL, as the end of
// one, or as any part of it. Who comes first in this order wins.
func findID(ids []string, part string) (string, error) {
	short := func(id string) string {
		pool, url, _ := strings.Cut(id, "/")
		_, address, _ := strings.Cut(url, "://")
		return pool + "/" + address
	}
	for _, names := range []func(id string) bool{
		func(id string) bool { return id == part || short(id) == part },
		func(id string) bool { return strings.HasSuffix(id, "/"+part) },
		func(id string) bool { return strings.Contains(id, part) || strings.Contains(short(id), part) },
	} {
		found := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !names(id) })
		switch len(found) {
		case 0:
			continue
		case 1:
			return found[0], nil
		}
		return "", fmt.Errorf("%q is a part of several ids: %s; want more of one", part, strings.Join(found, ", "))
	}
	return "", fmt.Errorf("no backend has %q in its id; there are %s", part, strings.Join(ids, ", "))
}

// await waits until a backend has no request any more. An interrupt ends the wait only.
func (f *backendsFlags) await(ctx context.Context, t terminal, b api.Backend) error {
	ctx, stop := watchSignals(ctx, t)
	defer stop()
	if f.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.within)
		defer cancel()
	}
	poll := time.NewTicker(statePoll)
	defer poll.Stop()
	for {
		response, err := f.look(ctx, t, &b)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s still has requests: %d; it stays in %s", b.ID, b.InFlight, b.State)
		case err != nil:
			return err
		case b.InFlight == 0:
			return f.print(t.stdout, response, func() string { return backendText(b) })
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
		}
	}
}

// look reads a backend again.
func (f *backendsFlags) look(ctx context.Context, t terminal, b *api.Backend) (response adminclient.Response, err error) {
	err = f.call(ctx, t, func(ctx context.Context, admin *adminclient.Client) error {
		response, err = admin.Get(ctx, api.BackendPath(b.ID), b)
		return err
	})
	return response, err
}
