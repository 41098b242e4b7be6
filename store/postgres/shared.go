package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/store"
)

// A schema belongs to one writer, or to replicas. The writer's row says to whom, and who changes
// that holds a lock on it:
//
//   - A replica that finds a writer's name there looks whether somebody has the writers' advisory
//     lock. A writer takes that before it puts its name down. If nobody has it, the replica raises
//     the epoch, which fences off a writer that has lost its connection.
//   - A writer looks for replicas that are alive. None can join meanwhile, since joining locks the
//     row. Those that have expired are expelled, so they never write again.

// awaitReplicas raises the epoch once no replica is alive, and notes which there were.
func (s *Store) awaitReplicas(ctx context.Context, c *session) (epoch int64, err error) {
	err = whileHeld(ctx, func() error {
		return pgx.BeginFunc(ctx, c.conn, func(tx pgx.Tx) error {
			epoch, err = s.raiseEpoch(ctx, tx)
			if err != nil {
				return err
			}
			if err := s.expelAll(ctx, tx); err != nil {
				return err
			}
			return wrapf(c.replicas.read(tx.QueryRow(ctx, s.o.in(rosterSQL))), "read who the replicas were")
		})
	})
	return epoch, err
}

// expelAll expels all replicas. The error names one that is alive.
func (s *Store) expelAll(ctx context.Context, tx querier) error {
	_, err := tx.Exec(ctx, "UPDATE replicas SET died_at = clock_timestamp() WHERE died_at IS NULL AND expires < clock_timestamp()")
	if err != nil {
		return wrapf(err, "expel replicas")
	}
	var name string
	var who store.Holder
	err = tx.QueryRow(ctx, "SELECT name, host, pid, since FROM replicas WHERE died_at IS NULL ORDER BY name LIMIT 1").
		Scan(&name, &who.Host, &who.PID, &who.Since)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return wrapf(err, "look for replicas")
	}
	return s.tell(fmt.Errorf("%w: replica %q shares the schema (%v)", store.ErrHeld, name, who))
}

const lockWriterSQL = "SELECT shared, instance, host, pid, since FROM @.writer FOR UPDATE"

// share makes the schema the replicas', and keeps others from changing that until the transaction
// ends. An error that wraps store.ErrHeld names the writer that has it.
func (l *Ledger) share(ctx context.Context, tx querier) error {
	var shared bool
	var w writer
	err := tx.QueryRow(ctx, l.o.in(lockWriterSQL)).Scan(&shared, &w.instance, &w.Host, &w.PID, &w.Since)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoWriter
	}
	if err != nil || shared {
		return wrapf(err, "read who the writer is")
	}
	if err := l.o.refuseWriter(ctx, tx, w); err != nil {
		return err
	}
	if err := l.o.refuseUnsettled(ctx, tx); err != nil {
		return err
	}
	self := store.Self()
	_, err = tx.Exec(ctx, l.o.in(`UPDATE @.writer SET shared = true, epoch = epoch + 1, instance = $1, host = $2, pid = $3, since = $4`),
		rand.Text(), self.Host, self.PID, self.Since)
	if err != nil {
		return wrapf(err, "raise the writer's epoch")
	}
	// From now on a client without a row has a full bucket, whatever happens.
	_, err = tx.Exec(ctx, l.o.in("UPDATE @.namespaces SET stopped = $1, strict = false"), time.UnixMicro(1))
	return wrapf(err, "note that the schema is shared")
}

// refuseWriter fails if a writer has the advisory lock.
func (o Options) refuseWriter(ctx context.Context, tx querier, w writer) error {
	owner, found, err := o.findLockOwner(ctx, tx)
	if err != nil || !found {
		return err
	}
	return fmt.Errorf("%w: %s, which doesn't share it, on PostgreSQL's process %d (%s)", store.ErrHeld, w.describe(), owner.pid, owner.application)
}

// refuseUnsettled fails if the last writer left what only another one can settle: a limit whose
// clients without a row don't have full buckets yet, as a strict one has that has crashed, or
// buckets of a version that knew of one limit only.
func (o Options) refuseUnsettled(ctx context.Context, tx querier) error {
	var limit string
	var until *time.Time
	err := tx.QueryRow(ctx, o.in(`SELECT limit_name, stopped FROM @.namespaces n
		WHERE strict AND stopped IS NULL OR stopped > clock_timestamp()
			OR limit_name = '' AND EXISTS (SELECT FROM @.buckets b WHERE b.namespace = n.id)
		ORDER BY id LIMIT 1`)).Scan(&limit, &until)
	const remedy = "start and stop one process that doesn't share the schema first"
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return wrapf(err, "read the namespaces")
	case limit == "":
		return errFinal{errors.New("its buckets are of a version that knew of one limit only: " + remedy)}
	case until == nil:
		return errFinal{fmt.Errorf("limit %q was strict, and its process has crashed: %s", limit, remedy)}
	}
	return fmt.Errorf("limit %q was strict, and its process had crashed: clients may not have all their tokens until %s",
		limit, until.UTC().Format(time.RFC3339))
}
