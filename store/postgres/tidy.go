package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

// tidyBatch is how many buckets Tidy looks at in one transaction.
const tidyBatch = 1000

// Tidy deletes what says nothing any more: unmanaged buckets that are full while nobody holds
// anything of them, leases of replicas that are dead, and then those replicas. It looks at every
// bucket, in small transactions. numbers are the caller's, by the namespace; it passes over others,
// in which leases of replicas may stay that there is no row of any more. Several replicas may call
// it.
func (l *Ledger) Tidy(ctx context.Context, numbers map[uint32]*lease.Numbers) error {
	dead, err := l.dead(ctx)
	if err != nil {
		return err
	}
	for from, more := (lease.Key{}), true; more; {
		if from, more, err = l.tidyPage(ctx, from, numbers); err != nil {
			return err
		}
	}
	return l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		work := l.begin()
		work.fence()
		work.queue("DELETE FROM @.replicas WHERE id = ANY ($1::bigint[])", dead)
		return wrapf(work.commit(ctx, conn), "tidy")
	})
}

// dead are the replicas that have died before now. They never store a lease again.
func (l *Ledger) dead(ctx context.Context) (ids []int64, err error) {
	var v *view
	err = l.read(ctx, func(work *batch) { v = work.view(l) })
	if err != nil {
		return nil, err
	}
	return v.roster.dead(), nil
}

// tidyPage looks at the buckets behind one, and returns the last of them.
func (l *Ledger) tidyPage(ctx context.Context, from lease.Key, numbers map[uint32]*lease.Numbers) (last lease.Key, more bool, err error) {
	var page []seen
	err = l.read(ctx, func(work *batch) {
		v := work.view(l)
		work.queue(stateSQL+` WHERE (b.namespace, b.client_id) > ($1, $2) ORDER BY b.namespace, b.client_id LIMIT $3`,
			int32(from.Namespace), from.ClientID, tidyBatch).Query(func(rows pgx.Rows) (err error) {
			page, err = pgx.CollectRows(rows, v.see)
			return err
		})
	})
	if err != nil || len(page) == 0 {
		return lease.Key{}, false, err
	}
	var due keys
	for i := range page {
		s := &page[i]
		n := numbers[s.key.Namespace]
		if n == nil {
			continue
		}
		if s.earn(s.now, n); s.hasDead || !s.exists() {
			due.add(s.key)
		}
	}
	if due.len() > 0 {
		err = l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return wrapf(l.tidyBuckets(ctx, conn, due, numbers), "tidy")
		})
	}
	return page[len(page)-1].key, len(page) == tidyBatch, err
}

// tidyBuckets looks again, with locks.
func (l *Ledger) tidyBuckets(ctx context.Context, conn *pgx.Conn, due keys, numbers map[uint32]*lease.Numbers) error {
	all := map[gcra.Settings]bool{}
	for _, n := range numbers {
		addSettings(all, n)
	}
	if err := l.intern(ctx, conn, all); err != nil {
		return err
	}
	work := l.begin()
	work.fence()
	looked := work.lock(due, 0, 0)
	if err := work.send(ctx, conn); err != nil {
		return err
	}
	if err := looked.learn(ctx, l, conn); err != nil {
		rollBack(ctx, conn)
		return err
	}
	work, todo := l.goOn(), &changes{}
	for i := range looked.buckets {
		if b := &looked.buckets[i]; b.isThere {
			b.earn(looked.now, numbers[due.at(i).Namespace])
			b.settingsID, _ = l.known.id(b.Settings)
			todo.keep(due.at(i), b)
		}
	}
	work.change(todo)
	return work.commit(ctx, conn)
}
