package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter/lease"
)

// Join implements lease.Ledger. An error that wraps store.ErrHeld names a process that has the
// schema and doesn't share it.
func (l *Ledger) Join(ctx context.Context, as lease.Member, life string, ttl time.Duration) (member int64, err error) {
	err = l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return l.sharing(ctx, conn, func(tx pgx.Tx) error {
			member, err = l.join(ctx, tx, as, life, ttl)
			return err
		})
	})
	if err != nil {
		return 0, err
	}
	return member, nil
}

// joinAgainSQL finds the registration of a replica that doesn't know of it.
const joinAgainSQL = `UPDATE @.replicas SET expires = clock_timestamp() + $3::interval
	WHERE name = $1 AND life = $2 AND seq = 0 AND died_at IS NULL RETURNING id`

// join adds a replica. The caller holds a lock that keeps others from joining meanwhile.
func (l *Ledger) join(ctx context.Context, tx querier, as lease.Member, life string, ttl time.Duration) (member int64, err error) {
	_, err = tx.Exec(ctx, l.o.in(`UPDATE @.replicas SET died_at = clock_timestamp()
		WHERE name = $1 AND died_at IS NULL AND expires < clock_timestamp()`), as.Name)
	if err != nil {
		return 0, wrapf(err, "expel the replica that had the name before")
	}
	err = tx.QueryRow(ctx, l.o.in(joinAgainSQL), as.Name, life, patience(ttl)).Scan(&member)
	if !errors.Is(err, pgx.ErrNoRows) {
		return member, wrapf(err, "join again")
	}
	var other lease.Member
	err = tx.QueryRow(ctx, l.o.in("SELECT host, pid, since, expires FROM @.replicas WHERE name = $1 AND died_at IS NULL"), as.Name).
		Scan(&other.Host, &other.PID, &other.Since, &other.Expires)
	switch {
	case err == nil:
		return 0, fmt.Errorf("%w: %q is process %d on %s, since %s, which is waited for until %s", lease.ErrNameTaken,
			as.Name, other.PID, other.Host, other.Since.UTC().Format(time.RFC3339), other.Expires.UTC().Format(time.RFC3339))
	case !errors.Is(err, pgx.ErrNoRows):
		return 0, wrapf(err, "look for a replica of that name")
	}
	err = tx.QueryRow(ctx, l.o.in(`INSERT INTO @.replicas (name, life, host, pid, since, expires)
		VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp() + $5::interval) RETURNING id`),
		as.Name, life, as.Host, as.PID, patience(ttl)).Scan(&member)
	return member, wrapf(err, "join")
}

// Leave implements lease.Ledger.
func (l *Ledger) Leave(ctx context.Context, member int64) error {
	return l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		work := l.begin()
		work.queue("UPDATE @.replicas SET died_at = clock_timestamp() WHERE id = $1 AND died_at IS NULL", member)
		err := work.commit(ctx, conn)
		l.doubts.note(err, l.waitFor(lockMemberSQL, member))
		return wrapf(err, "leave")
	})
}

// Members implements lease.Ledger.
func (l *Ledger) Members(ctx context.Context) (all []lease.Member, err error) {
	err = l.read(ctx, func(work *batch) {
		work.queue(`SELECT name, host, pid, since, expires FROM @.replicas
			WHERE died_at IS NULL AND expires >= clock_timestamp() ORDER BY name`).Query(func(rows pgx.Rows) error {
			all, err = pgx.CollectRows(rows, toMember)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func toMember(row pgx.CollectableRow) (m lease.Member, err error) {
	err = row.Scan(&m.Name, &m.Host, &m.PID, &m.Since, &m.Expires)
	m.Since, m.Expires = m.Since.UTC(), m.Expires.UTC()
	return m, err
}

// Enter implements lease.Ledger. Whoever makes a namespace has a lock meanwhile, so that no two
// have one id, or one limit two namespaces.
func (l *Ledger) Enter(ctx context.Context, limit, fingerprint string) (namespace uint32, err error) {
	err = l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return l.sharing(ctx, conn, func(tx pgx.Tx) error {
			namespace, err = l.namespace(ctx, tx, limit, fingerprint)
			return wrapf(err, "find the namespace of limit %q", limit)
		})
	})
	if err != nil {
		return 0, err
	}
	return namespace, nil
}

func (l *Ledger) namespace(ctx context.Context, tx querier, limit, fingerprint string) (id uint32, err error) {
	err = tx.QueryRow(ctx, l.o.in(`UPDATE @.namespaces SET left_at = NULL WHERE id =
		(SELECT min(id) FROM @.namespaces WHERE limit_name = $1 AND fingerprint = $2) RETURNING id`), limit, fingerprint).Scan(&id)
	if !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}
	err = tx.QueryRow(ctx, l.o.in(`INSERT INTO @.namespaces (id, limit_name, fingerprint, stopped)
		SELECT coalesce(max(id), 0) + 1, $1, $2, $3::timestamptz FROM @.namespaces RETURNING id`), limit, fingerprint, time.UnixMicro(1)).Scan(&id)
	return id, err
}
