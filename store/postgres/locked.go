package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter/lease"
)

// lockedSQL and leasesSQL are two statements, so that the second one sees what was committed while
// the first one waited for its locks. The first one joins no table that it doesn't lock: PostgreSQL
// has a former version of such rows when it has waited.
//
// All statements here look up one key after the other, whatever the server believes about how many
// rows there are. Its statistics may be those of an empty table, as after a night without traffic,
// and a plan for that compares each key with each row. So there is no join whose order the server
// could choose: FOR UPDATE and OFFSET keep it from taking a subquery apart.
const (
	lockedSQL = `
SELECT a.place::integer - 1, b.managed, coalesce(b.tier, ''), b.settings_id, b.tokens, b.counted_at
FROM unnest($1::integer[], $2::text[]) WITH ORDINALITY AS a (namespace, client_id, place)
CROSS JOIN LATERAL (SELECT * FROM @.buckets b
	WHERE b.namespace = a.namespace AND b.client_id = a.client_id FOR NO KEY UPDATE) b`

	leasesSQL = `
SELECT a.place::integer - 1,
	coalesce(max(l.held) FILTER (WHERE l.replica = $3), 0),
	coalesce(max(l.granted) FILTER (WHERE l.replica = $3 AND l.seq = $4), 0),
	coalesce(sum(l.held) FILTER (WHERE l.replica <> $3 AND r.died_at IS NULL), 0)::bigint,
	coalesce(sum(l.held) FILTER (WHERE r.died_at IS NOT NULL), 0)::bigint,
	coalesce(max(r.died_at), 'epoch'),
	array_agg(l.replica) FILTER (WHERE r.died_at IS NOT NULL)
FROM unnest($1::integer[], $2::text[]) WITH ORDINALITY AS a (namespace, client_id, place)
CROSS JOIN LATERAL (SELECT * FROM @.leases l
	WHERE l.namespace = a.namespace AND l.client_id = a.client_id OFFSET 0) l
CROSS JOIN LATERAL (SELECT * FROM @.replicas r WHERE r.id = l.replica OFFSET 0) r
GROUP BY a.place`

	clockSQL = `SELECT clock_timestamp(), (SELECT count(*) FROM @.replicas WHERE died_at IS NULL)`
)

// keys are those of buckets, in their order.
type keys struct {
	namespaces []int32
	clientIDs  []string
}

func (k *keys) add(key lease.Key) {
	k.namespaces = append(k.namespaces, int32(key.Namespace))
	k.clientIDs = append(k.clientIDs, key.ClientID)
}

func (k *keys) len() int { return len(k.clientIDs) }

// byNamespace are the client_ids of each namespace.
func (k *keys) byNamespace() map[int32][]string {
	all := map[int32][]string{}
	for i, namespace := range k.namespaces {
		all[namespace] = append(all[namespace], k.clientIDs[i])
	}
	return all
}

func (k *keys) at(i int) lease.Key {
	return lease.Key{Namespace: uint32(k.namespaces[i]), ClientID: k.clientIDs[i]}
}

// locked is a bucket whose row the transaction holds a lock on.
type locked struct {
	lease.Entry
	isThere    bool
	managed    bool
	tier       string
	settingsID int32
	had        int64   // what the ledger thought that the asker holds
	granted    int64   // what the asker was granted in the round that it asks again
	dead       []int64 // replicas whose leases count as spent once the bucket is stored
}

// lockedKeys are the buckets of some keys, and when they were looked at.
type lockedKeys struct {
	keys
	buckets []locked
	now     time.Time
	alive   int
}

// lock queues the statements that lock buckets and read them, with the leases as member sees them.
func (b *batch) lock(k keys, member, seq int64) *lockedKeys {
	l := &lockedKeys{keys: k, buckets: make([]locked, k.len())}
	if k.len() > 0 {
		b.queue(lockedSQL, k.namespaces, k.clientIDs).Query(l.readBuckets)
		b.queue(leasesSQL, k.namespaces, k.clientIDs, member, seq).Query(l.readLeases)
	}
	b.queue(clockSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&l.now, &l.alive) })
	return l
}

func (l *lockedKeys) readBuckets(rows pgx.Rows) error {
	var place int
	var r locked
	_, err := pgx.ForEachRow(rows, []any{&place, &r.managed, &r.tier, &r.settingsID, &r.Tokens, &r.At}, func() error {
		r.isThere = true
		l.buckets[place] = r
		return checkTokens(l.clientIDs[place], r.Tokens)
	})
	return err
}

func checkTokens(clientID string, tokens float64) error {
	if math.IsNaN(tokens) || math.IsInf(tokens, 0) {
		return fmt.Errorf("client %q: %v tokens can't be", clientID, tokens)
	}
	return nil
}

// readLeases passes over those of a bucket that has no row, or has got one since.
func (l *lockedKeys) readLeases(rows pgx.Rows) error {
	var place int
	var r locked
	scans := []any{&place, &r.had, &r.granted, &r.Others, &r.Dead, &r.DiedAt, &r.dead}
	_, err := pgx.ForEachRow(rows, scans, func() error {
		b := &l.buckets[place]
		b.had, b.Mine, b.granted, b.Others = r.had, r.had, r.granted, r.Others
		b.Dead, b.DiedAt, b.dead = r.Dead, r.DiedAt, r.dead
		r.dead = nil
		return nil
	})
	return err
}

// missing are the places of keys that have no bucket.
func (l *lockedKeys) missing() (places []int) {
	for i := range l.buckets {
		if !l.buckets[i].isThere {
			places = append(places, i)
		}
	}
	return places
}

// learn fills in the buckets' settings.
func (l *lockedKeys) learn(ctx context.Context, ledger *Ledger, conn *pgx.Conn) error {
	ids := map[int32]bool{}
	for i := range l.buckets {
		if b := &l.buckets[i]; b.isThere {
			ids[b.settingsID] = true
		}
	}
	if err := ledger.learn(ctx, conn, ids); err != nil {
		return err
	}
	for i := range l.buckets {
		b := &l.buckets[i]
		if !b.isThere {
			continue
		}
		s, ok := ledger.known.settings(b.settingsID)
		if !ok {
			return errNoSettings(l.clientIDs[i])
		}
		b.Settings = s
	}
	return nil
}

func errNoSettings(clientID string) error {
	return fmt.Errorf("client %q: its row of settings is gone", clientID)
}

// earn credits a bucket until now, and has it follow numbers from then on.
func (b *locked) earn(now time.Time, numbers *lease.Numbers) {
	b.Renumber(now, numbers.Of(b.managed, b.tier, b.Settings))
}

// exists reports whether there is a bucket: an unmanaged one that lacks nothing is none.
func (b *locked) exists() bool { return b.managed || !b.IsFull() }

// state is what others see of a bucket.
func (b *locked) state() lease.State {
	return lease.State{
		Managed: b.managed, Tier: b.tier, Settings: b.Settings, Tokens: b.Tokens, Leased: b.Mine + b.Others, At: b.At.UTC(),
	}
}

// changes are what a transaction does to rows.
type changes struct {
	puts     keys // whose rows get
	settings []int32
	tokens   []float64
	at       []time.Time
	deletes  keys
	leases   keys // of the asker
	held     []int64
	granted  []int64
	ends     map[holder][]string // leases, by their clients
}

// holder is a replica, as one that holds tokens of a namespace's clients.
type holder struct {
	namespace int32
	replica   int64
}

func (c *changes) put(key lease.Key, b *locked) {
	c.puts.add(key)
	c.settings = append(c.settings, b.settingsID)
	c.tokens = append(c.tokens, b.Tokens)
	c.at = append(c.at, b.At)
}

func (c *changes) endLease(key lease.Key, replica int64) {
	if c.ends == nil {
		c.ends = map[holder][]string{}
	}
	of := holder{int32(key.Namespace), replica}
	c.ends[of] = append(c.ends[of], key.ClientID)
}

// keep is what follows from a bucket that has been settled.
func (c *changes) keep(key lease.Key, b *locked) {
	if b.exists() {
		c.put(key, b)
	} else {
		c.deletes.add(key)
	}
	c.endDead(key, b)
}

// endDead ends the leases that have been counted as spent.
func (c *changes) endDead(key lease.Key, b *locked) {
	for _, replica := range b.dead {
		c.endLease(key, replica)
	}
}

// lease is what the asker holds of a bucket from now on.
func (c *changes) lease(key lease.Key, b *locked, member, granted int64) {
	switch {
	case b.Mine == 0 && b.had > 0:
		c.endLease(key, member)
	case b.Mine != b.had || granted > 0:
		c.leases.add(key)
		c.held = append(c.held, b.Mine)
		c.granted = append(c.granted, granted)
	}
}

// The statements that change rows.
const (
	// putBucketsSQL is for rows that are there, and locked.
	putBucketsSQL = `
INSERT INTO @.buckets (namespace, client_id, managed, settings_id, tokens, counted_at)
SELECT namespace, client_id, false, settings_id, tokens, counted_at
FROM unnest($1::integer[], $2::text[], $3::integer[], $4::double precision[], $5::timestamptz[])
	AS u (namespace, client_id, settings_id, tokens, counted_at)
ON CONFLICT (namespace, client_id) DO UPDATE SET
	settings_id = excluded.settings_id, tokens = excluded.tokens, counted_at = excluded.counted_at, reserved = NULL`

	deleteBucketsSQL = `DELETE FROM @.buckets WHERE namespace = $1 AND client_id = ANY ($2::text[])`

	putLeasesSQL = `
INSERT INTO @.leases (namespace, client_id, replica, held, seq, granted)
SELECT namespace, client_id, $5::bigint, held, $6::bigint, granted
FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::bigint[]) AS u (namespace, client_id, held, granted)
ON CONFLICT (namespace, client_id, replica) DO UPDATE SET held = excluded.held, seq = excluded.seq, granted = excluded.granted`

	endLeasesSQL = `DELETE FROM @.leases WHERE namespace = $1 AND client_id = ANY ($2::text[]) AND replica = $3`
)

// change queues the statements that make changes, of the asker's round.
func (b *batch) change(c *changes, member, seq int64) {
	if c.puts.len() > 0 {
		b.queue(putBucketsSQL, c.puts.namespaces, c.puts.clientIDs, c.settings, c.tokens, c.at)
	}
	for namespace, clientIDs := range c.deletes.byNamespace() {
		b.queue(deleteBucketsSQL, namespace, clientIDs)
	}
	if c.leases.len() > 0 {
		b.queue(putLeasesSQL, c.leases.namespaces, c.leases.clientIDs, c.held, c.granted, member, seq)
	}
	for of, clientIDs := range c.ends {
		b.queue(endLeasesSQL, of.namespace, clientIDs, of.replica)
	}
}
