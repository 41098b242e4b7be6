//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/measure"
)

// work is what was done until a moment, or between two.
type work struct {
	at           time.Time
	took         time.Duration
	server, own  time.Duration // CPU time of all of PostgreSQL's processes, and of this one
	processes    usage         // PostgreSQL's, at the moment
	busy         time.Duration // CPU time of whatever is on this machine
	wal          int64         // bytes
	transactions int64
	buckets      writes // rows of them
}

// usage is the CPU time of processes so far, by their ids.
type usage map[int]time.Duration

// since is without processes that have ended.
func (u usage) since(o usage) (sum time.Duration) {
	for pid, used := range u {
		sum += used - o[pid]
	}
	return sum
}

// writes are rows that were written.
type writes struct{ inserted, updated, hot, deleted int64 }

func (w writes) all() int64 { return w.inserted + w.updated + w.deleted }

func (w writes) less(o writes) writes {
	return writes{w.inserted - o.inserted, w.updated - o.updated, w.hot - o.hot, w.deleted - o.deleted}
}

// others is how many cores others used.
func (w work) others() float64 {
	return max(0, (w.busy-w.server-w.own).Seconds()/w.took.Seconds())
}

func (w work) since(o work) work {
	return work{
		server: w.processes.since(o.processes), own: w.own - o.own, busy: w.busy - o.busy, took: w.at.Sub(o.at), wal: w.wal - o.wal, transactions: w.transactions - o.transactions,
		buckets: w.buckets.less(o.buckets),
	}
}

// spent is the work so far that processes and the log know of at once.
func (b *bed) spent(ctx context.Context) (w work, err error) {
	if w.processes, err = usageOf(b.postgres.PID()); err != nil {
		return work{}, err
	}
	if w.own, err = (measure.Tree{os.Getpid()}).CPU(); err != nil {
		return work{}, err
	}
	if w.busy, err = busy(); err != nil {
		return work{}, err
	}
	err = b.conn.QueryRow(ctx, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&w.wal)
	w.at = time.Now()
	return w, err
}

// count adds what the server has counted. A server process tells of its work some time later, or
// when its connection ends. So there must be no connection but ours.
func (b *bed) count(ctx context.Context, w *work) error {
	if err := b.awaitEnds(ctx); err != nil {
		return err
	}
	err := b.conn.QueryRow(ctx, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()").Scan(&w.transactions)
	if err != nil {
		return err
	}
	w.buckets, err = b.writes(ctx)
	return err
}

func (b *bed) writes(ctx context.Context) (w writes, err error) {
	err = b.conn.QueryRow(ctx, `SELECT n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del FROM pg_stat_user_tables
		WHERE schemaname = $1 AND relname = 'buckets'`, schema).Scan(&w.inserted, &w.updated, &w.hot, &w.deleted)
	return w, err
}

// awaitEnds waits until the server processes of closed connections have ended.
func (b *bed) awaitEnds(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		var others int
		err := b.conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others)
		if err != nil || others == 0 {
			return err
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%d connections of replicas don't end: %w", others, err)
		}
	}
}

// busy reads the machine's CPU time since it started, without idle time and waiting for disks.
func busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusy(string(text))
}

// parseBusy reads the first line of /proc/stat, in ticks of 10 ms: see proc_stat(5).
func parseBusy(text string) (sum time.Duration, err error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat: unexpected line %q; want cpu and 8 numbers or more", line)
	}
	const idle, iowait = 4, 5
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i+1 != idle && i+1 != iowait {
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum, nil
}

// usageOf is that of a process and all its descendants. One that ends meanwhile is left out.
func usageOf(pid int) (usage, error) {
	tree, err := measure.TreeOf(pid)
	if err != nil {
		return nil, err
	}
	u := usage{}
	for _, pid := range tree {
		if used, err := (measure.Tree{pid}).CPU(); err == nil {
			u[pid] = used
		}
	}
	return u, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
