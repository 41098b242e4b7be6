//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"time"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/report"
	"gopher-equalizer/bench/machine"
	"gopher-equalizer/limiter/lease"
)

// write writes the report.
func write(s settings, r results, facts []machine.Fact, say func(string, ...any)) error {
	started, revision := time.Now().UTC(), machine.Revision(context.Background())
	facts = append(facts, machine.Fact{Name: "revision", Value: revision})
	if r.redis != "" {
		facts = append(facts, machine.Fact{Name: "Redis", Value: r.redis})
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "# What sharing buckets costs the database\n\nMade on %s with\n\n    %s\n\n| machine | |\n|---|---|\n",
		started.Format(time.DateOnly), s.command)
	for _, f := range facts {
		fmt.Fprintf(&text, "| %s | %s |\n", f.Name, f.Value)
	}
	r.renewalsPage(&text)
	r.besidePage(&text, s)
	kept := report.Kept{Command: s.command, Started: started, Revision: revision, Page: text.Bytes()}
	for _, one := range r.steady {
		kept.Bars = append(kept.Bars, one.bar())
	}
	if err := s.folders.Write(map[string][]byte{"report.md": text.Bytes()}, kept); err != nil {
		return err
	}
	say("the report: %s", filepath.Join(s.folders.All, "report.md"))
	return nil
}

func (r *results) renewalsPage(w io.Writer) {
	fmt.Fprintf(w, `
PostgreSQL, with shared_buffers of 1 GB and without fsync and full page writes, the replicas and the
load share this machine. CPU is the kernel's account of all of PostgreSQL's processes, and of this process, in which
the replicas, the takers and the load are. Where others used much of the machine, rounds are late
since they had to wait for a processor. Refused are takes for which the ledger had no reply within
250 ms: nobody spends all that there is.

## Renewals

%s buckets exist. R is how many renewals a second the server does while %d replicas renew the same
clients as fast as they can, up to %s in a transaction, and take from each client in between. It
is measured before and after, each time after twice as long a warm-up.

| interval | begun | clients | R before | R after | PostgreSQL's CPU, us/renewal | ours | others', cores |
|---|---|--:|--:|--:|--:|--:|--:|
`, count(r.buckets), fleetSize, count(lease.MaxAsks))
	for i := range r.steady {
		r.steady[i].floodRow(w)
	}
	fmt.Fprintf(w, `
In between as many clients are taken from once an interval at each replica as make %.1f R. A round is from
its first transaction to the reply to its last one. Late rounds are those that end an interval late.
Bar: 0. Those of the warm-up are in brackets: all clients are new to all replicas then, which is about
twice the work. Processes begin their rounds at some moment: apart is a third of
an interval after each other, and together is the worst case, in which all want the same rows.

| interval | begun | clients | renewals/s due | done | takes/s | refused | rounds | a round, median | p99 | longest | late | failed | | PostgreSQL's CPU, cores | us/renewal | ours, cores | others' |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|--:|--:|
`, part)
	for i := range r.steady {
		r.steady[i].row(w)
	}
}

func (s *steady) floodRow(w io.Writer) {
	fmt.Fprintf(w, "| %v | %s | %s | %s | %s | %.1f, %.1f | %.1f, %.1f | %.2f, %.2f |\n",
		s.time, s.begun(), count(s.active), count(s.before.rate), count(s.after.rate),
		micros(s.before.work.server, s.before.renewals), micros(s.after.work.server, s.after.renewals),
		micros(s.before.work.own, s.before.renewals), micros(s.after.work.own, s.after.renewals),
		s.before.work.others(), s.after.work.others())
}

func (s *steady) row(w io.Writer) {
	verdict := "bar held"
	if s.late > 0 {
		verdict = "**missed**"
	}
	seconds := s.work.took.Seconds()
	fmt.Fprintf(w, "| %v | %s | %s | %s | %s | %s | %s | %d | %s | %s | %s | %d (%d) | %d | %s | %.2f | %.1f | %.2f | %.2f |\n",
		s.time, s.begun(), count(s.clients), count(s.due), count(float64(s.renewals)/seconds), count(float64(s.takes)/seconds), count(s.refused),
		len(s.rounds), millis(s.rounds, 0.5), millis(s.rounds, 0.99), millis(s.rounds, 1), s.late, s.early, s.failed, verdict,
		s.work.server.Seconds()/seconds, micros(s.work.server, s.renewals), s.work.own.Seconds()/seconds, s.work.others())
}

// begun says when the replicas began.
func (i interval) begun() string {
	if i.together {
		return "together"
	}
	return "apart"
}

// bar is the number of late rounds.
func (s *steady) bar() report.Bar {
	late := float64(s.late)
	return report.Bar{
		Figure: "late rounds", Under: fmt.Sprintf("%.1f R, an interval of %v, %s", part, s.time, s.begun()), Unit: "rounds",
		Ratio: report.Ratio{Value: late, Min: late, Max: late, Rounds: 1}, Held: late == 0, Reached: late == 0,
	}
}

func (r *results) besidePage(w io.Writer, s settings) {
	fmt.Fprintf(w, `
## Beside a script of Redis

%s takes a second for %v, each from a random client at a random replica, an interval of 1 s. All of
PostgreSQL's work is counted, from when the replicas join until they have given back what they held,
and divided by those %v. Beside it: one EVALSHA of a token bucket for each take, by %d connections
without pipelining, of a Redis that keeps nothing. An operation is a transaction of PostgreSQL, or
an EVALSHA.

| clients | store | takes/s | refused | waited | operations/s | rows written/s | of the updates HOT | WAL, KB/s | CPU, cores | CPU, us/take | renewals/s | rounds | late | others' CPU, cores |
|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
`, count(s.rate), s.time, s.time, connections)
	for i := range r.shared {
		r.shared[i].row(w)
	}
	for i := range r.scripted {
		r.scripted[i].row(w)
	}
	if r.redis == "" {
		fmt.Fprint(w, "\nThere was no redis-server to compare with.\n")
	}
	for i := range r.shared {
		one := &r.shared[i]
		fmt.Fprintf(w, "\n%s clients: %s. All was given back after %.1f s.\n", count(one.keys), one.work.describe(), one.settled.Seconds())
	}
}

func (s *shared) row(w io.Writer) {
	seconds := s.took.Seconds()
	by := func(n int64) string { return count(float64(n) / seconds) }
	fmt.Fprintf(w, "| %s | PostgreSQL | %s | %s | %s | %s | %s | %.0f %% | %s | %.2f | %.1f | %s | %s | %d | %.2f |\n",
		count(s.keys), by(int64(s.takes)), count(s.refused), count(s.waits), by(s.work.transactions), by(s.work.buckets.all()),
		100*float64(s.work.buckets.hot)/float64(max(1, s.work.buckets.updated)), by(s.work.wal/1000), s.work.server.Seconds()/seconds, micros(s.work.server, int64(s.takes)),
		by(s.renewals), count(s.rounds), s.late, s.work.others())
}

func (s *scripted) row(w io.Writer) {
	seconds := s.took.Seconds()
	rate := count(float64(s.takes) / seconds)
	fmt.Fprintf(w, "| %s | Redis | %s | 0 | all | %s | %s | - | - | %.2f | %.1f | - | - | - | - |\n",
		count(s.keys), rate, rate, rate, s.cpu.Seconds()/seconds, micros(s.cpu, int64(s.takes)))
}

// describe has the totals.
func (w work) describe() string {
	return fmt.Sprintf("%s transactions; rows of buckets: %s inserted, %s updated, %s deleted; %.1f MB of WAL",
		count(w.transactions), count(w.buckets.inserted), count(w.buckets.updated), count(w.buckets.deleted), float64(w.wal)/1e6)
}

func micros(d time.Duration, n int64) float64 {
	return float64(d) / float64(time.Microsecond) / float64(max(1, n))
}

// millis is a quantile of some durations.
func millis(all []time.Duration, q float64) string {
	if len(all) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(all))
	at := sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)]
	return fmt.Sprintf("%d ms", at.Milliseconds())
}

// count is a number as people write it.
func count[N int | int64 | float64](n N) string { return load.Thousands(int64(math.Round(float64(n)))) }
