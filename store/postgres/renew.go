package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

const (
	// addBucketsSQL is for a replica that is alive. It is a transaction of its own: a round that
	// inserts rows while it has locks on others could wait for another one that waits for it.
	addBucketsSQL = `
WITH me AS MATERIALIZED (SELECT FROM @.replicas WHERE id = $1 AND died_at IS NULL FOR SHARE)
INSERT INTO @.buckets (namespace, client_id, managed, settings_id, tokens, counted_at)
SELECT u.namespace, u.client_id, false, u.settings_id, u.tokens, clock_timestamp()
FROM me, unnest($2::integer[], $3::text[], $4::integer[], $5::double precision[])
	WITH ORDINALITY AS u (namespace, client_id, settings_id, tokens, place)
ORDER BY place ON CONFLICT DO NOTHING`

	lockMemberSQL = `SELECT seq, died_at IS NOT NULL FROM @.replicas WHERE id = $1 FOR NO KEY UPDATE`

	expelSQL = `
UPDATE @.replicas SET died_at = clock_timestamp() WHERE id = ANY (ARRAY (
	SELECT id FROM @.replicas WHERE died_at IS NULL AND expires < clock_timestamp() AND id <> $1 FOR UPDATE SKIP LOCKED))`

	keepAliveSQL = `UPDATE @.replicas SET seq = $2, expires = clock_timestamp() + $3::interval WHERE id = $1`
)

// patience is how long the ledger waits for a replica.
func patience(ttl time.Duration) time.Duration {
	var now time.Time
	return lease.Expires(now, ttl).Sub(now)
}

// Renew implements lease.Ledger. It takes two round trips: one locks and reads the buckets, and one
// stores and commits.
func (l *Ledger) Renew(ctx context.Context, r lease.Round) (replies []lease.Reply, alive int, err error) {
	if err := checkRound(&r); err != nil {
		return nil, 0, l.o.explain(err)
	}
	err = l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		replies, alive, err = l.renew(ctx, conn, &r)
		return wrapf(err, "renew")
	})
	if err != nil {
		return nil, 0, err
	}
	return replies, alive, nil
}

func checkRound(r *lease.Round) error {
	for i := range r.Asks {
		if r.Numbers[r.Asks[i].Namespace] == nil {
			return fmt.Errorf("a round without numbers for namespace %d, which client %q is of", r.Asks[i].Namespace, r.Asks[i].ClientID)
		}
	}
	return nil
}

func (l *Ledger) renew(ctx context.Context, conn *pgx.Conn, r *lease.Round) ([]lease.Reply, int, error) {
	if err := l.intern(ctx, conn, settingsIn(r)); err != nil {
		return nil, 0, err
	}
	round, err := l.lookAt(ctx, conn, r)
	if err != nil {
		return nil, 0, err
	}
	work := l.goOn()
	replies, changes := round.settle()
	work.change(changes)
	work.queue(keepAliveSQL, r.Member, r.Seq, patience(r.TTL))
	if err := work.commit(ctx, conn); err != nil {
		l.doubts.note(err, l.waitFor(lockMemberSQL, r.Member))
		return nil, 0, err
	}
	return replies, round.alive(), nil
}

// settingsIn are those that buckets of the round may get.
func settingsIn(r *lease.Round) map[gcra.Settings]bool {
	all := map[gcra.Settings]bool{}
	for _, n := range r.Numbers {
		addSettings(all, n)
	}
	return all
}

func addSettings(all map[gcra.Settings]bool, n *lease.Numbers) {
	all[n.Settings] = true
	for _, s := range n.Tiers {
		all[s] = true
	}
}

// round is one in progress: its buckets are locked.
type round struct {
	*lease.Round
	*lockedKeys
	ledger *Ledger
	stored int64 // the replica's last round that was stored
}

// lookAt locks the buckets of a round. Clients that are new to the replica get a bucket first, if
// they have none. If others have none either, as after an operator deleted it, it looks again.
func (l *Ledger) lookAt(ctx context.Context, conn *pgx.Conn, r *lease.Round) (*round, error) {
	var fresh []int
	for i := range r.Asks {
		if a := &r.Asks[i]; a.Held == 0 && a.Back == 0 {
			fresh = append(fresh, i)
		}
	}
	looked, err := l.lookOnce(ctx, conn, r, fresh)
	if err != nil {
		return nil, err
	}
	missing := looked.missing()
	if len(missing) == 0 || looked.stored >= r.Seq {
		return looked, nil
	}
	rollBack(ctx, conn)
	return l.lookOnce(ctx, conn, r, missing)
}

// lookOnce gives the asks at some places buckets, and locks those of all.
func (l *Ledger) lookOnce(ctx context.Context, conn *pgx.Conn, r *lease.Round, fresh []int) (*round, error) {
	work := l.begin()
	if len(fresh) > 0 {
		l.queueBuckets(work, r, fresh)
		work.Queue("COMMIT")
		work.begin()
	}
	looked := &round{Round: r, ledger: l}
	work.queue(lockMemberSQL, r.Member).QueryRow(looked.readMember)
	work.queue(expelSQL, r.Member)
	var all keys
	for i := range r.Asks {
		all.add(r.Asks[i].Key)
	}
	looked.lockedKeys = work.lock(all, r.Member, r.Seq)
	if err := work.send(ctx, conn); err != nil {
		return nil, err
	}
	if err := looked.learn(ctx, l, conn); err != nil {
		rollBack(ctx, conn)
		return nil, err
	}
	return looked, nil
}

// queueBuckets gives the asks at some places full buckets, where there are none.
func (l *Ledger) queueBuckets(work *batch, r *lease.Round, places []int) {
	var all keys
	ids, tokens := make([]int32, len(places)), make([]float64, len(places))
	for i, place := range places {
		all.add(r.Asks[place].Key)
		is := r.Numbers[r.Asks[place].Namespace].Settings
		ids[i], _ = l.known.id(is)
		tokens[i] = float64(is.Capacity)
	}
	work.queue(addBucketsSQL, r.Member, all.namespaces, all.clientIDs, ids, tokens)
}

func (r *round) readMember(row pgx.Row) error {
	var dead bool
	switch err := row.Scan(&r.stored, &dead); {
	case errors.Is(err, pgx.ErrNoRows) || dead:
		return lease.ErrExpelled
	case err != nil:
		return err
	case r.stored > r.Seq:
		return fmt.Errorf("round %d comes after round %d", r.Seq, r.stored)
	}
	return nil
}

// settle applies the asks. A round that was stored before moves no tokens.
func (r *round) settle() ([]lease.Reply, *changes) {
	replies, todo := make([]lease.Reply, len(r.Asks)), &changes{}
	for i := range r.Asks {
		a, b := &r.Asks[i], &r.buckets[i]
		numbers := r.Numbers[a.Namespace]
		if !b.isThere {
			replies[i] = lease.Reply{Left: numbers.Settings.Capacity, Settings: numbers.Settings}
			continue
		}
		b.earn(r.now, numbers)
		b.settingsID, _ = r.ledger.known.id(b.Settings)
		if r.stored < r.Seq {
			b.granted = b.Settle(*a)
			b.leases = b.leases.with(held{r.Member, b.Mine, r.Seq, b.granted})
		}
		todo.keep(a.Key, b)
		replies[i] = lease.Reply{
			Granted: b.granted, Left: b.Left(), Owed: b.Owed(a.Ahead), Managed: b.managed, Tier: b.tier, Settings: b.Settings,
		}
	}
	return replies, todo
}
