package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

const (
	// addBucketSQL waits for another transaction that adds or deletes the same bucket.
	addBucketSQL = `INSERT INTO @.buckets (namespace, client_id, managed, settings_id, tokens, counted_at)
		VALUES ($1, $2, false, $3, $4, clock_timestamp()) ON CONFLICT DO NOTHING`

	// lockBucketSQL waits for one that adds, changes or deletes it. It is rolled back.
	lockBucketSQL = `INSERT INTO @.buckets AS b (namespace, client_id, managed, settings_id, tokens, counted_at)
		VALUES ($1, $2, false, $3, 0, clock_timestamp()) ON CONFLICT (namespace, client_id) DO UPDATE SET tokens = b.tokens`

	putBucketSQL = `UPDATE @.buckets SET managed = $3, tier = nullif($4, ''), tokens = $5, counted_at = $6, reserved = NULL,
		leases = nullif($7, '{}')::bigint[],
		settings_id = (SELECT id FROM @.settings WHERE capacity = $8 AND refill = $9 AND kind = 0)
		WHERE namespace = $1 AND client_id = $2`
)

// Change implements lease.Ledger. It may call change more than once, if others keep the server from
// storing what the first call returned.
func (l *Ledger) Change(ctx context.Context, key lease.Key, numbers *lease.Numbers, change func(*lease.State) (*lease.State, error)) error {
	c := &changing{Ledger: l, key: key, numbers: numbers, change: change}
	err := l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		for {
			err := c.run(ctx, conn)
			if !errors.Is(err, errGone) {
				return wrapf(err, "change")
			}
		}
	})
	if c.refused != nil {
		return c.refused
	}
	return err
}

// errGone means that another transaction deleted the bucket between two statements.
var errGone = errors.New("the bucket was deleted meanwhile")

// changing is a Change in progress.
type changing struct {
	*Ledger
	key     lease.Key
	numbers *lease.Numbers
	change  func(*lease.State) (*lease.State, error)
	refused error // what change returned

	looked *lockedKeys
}

func (c *changing) run(ctx context.Context, conn *pgx.Conn) error {
	c.refused = nil
	if err := c.look(ctx, conn); err != nil {
		return err
	}
	b := &c.looked.buckets[0]
	b.earn(c.looked.now, c.numbers)
	var present *lease.State
	if b.exists() {
		s := b.state()
		present = &s
	}
	next, err := c.change(present)
	if err != nil {
		c.refused = err
		rollBack(ctx, conn)
		return err
	}
	return c.store(ctx, conn, b, next)
}

// look locks the bucket, which it makes if there is none, so that nobody else does.
func (c *changing) look(ctx context.Context, conn *pgx.Conn) error {
	is := c.numbers.Settings
	if err := c.intern(ctx, conn, map[gcra.Settings]bool{is: true}); err != nil {
		return err
	}
	id, _ := c.known.id(is)
	work := c.begin()
	work.fence()
	work.queue(addBucketSQL, int32(c.key.Namespace), c.key.ClientID, id, float64(is.Capacity))
	var one keys
	one.add(c.key)
	c.looked = work.lock(one, 0, 0)
	if err := work.send(ctx, conn); err != nil {
		return err
	}
	err := c.looked.learn(ctx, c.Ledger, conn)
	if err == nil && len(c.looked.missing()) > 0 {
		err = errGone
	}
	if err != nil {
		rollBack(ctx, conn)
	}
	return err
}

// store stores what change returned. A bucket that is deleted lacks only what replicas hold of it.
func (c *changing) store(ctx context.Context, conn *pgx.Conn, b *locked, next *lease.State) error {
	if next == nil {
		next = &lease.State{Tokens: float64(c.numbers.Settings.Capacity)}
	}
	b.managed, b.tier, b.Tokens = next.Managed, next.Tier, next.Tokens
	b.Settings = c.numbers.Of(next.Managed, next.Tier, next.Settings)
	b.Earn(c.looked.now) // cuts Tokens
	work, todo := c.goOn(), &changes{}
	if b.exists() {
		work.queue(addSettingsSQL, b.Settings.Capacity, b.Settings.Refill.String())
		work.queue(putBucketSQL, int32(c.key.Namespace), c.key.ClientID, b.managed, b.tier, b.Tokens, b.At, b.leases.encode(),
			b.Settings.Capacity, b.Settings.Refill.String())
	} else {
		todo.deletes.add(c.key)
	}
	work.change(todo)
	err := work.commit(ctx, conn)
	id, _ := c.known.id(c.numbers.Settings)
	c.doubts.note(err, c.waitFor(lockBucketSQL, int32(c.key.Namespace), c.key.ClientID, id))
	return err
}
