package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"gopher-equalizer/limiter/lease"
)

// lockedSQL joins no table that it doesn't lock: PostgreSQL has a former version of such rows when
// it has waited. Of a row that it locks it has the newest one.
//
// All statements here look up one key after the other, whatever the server believes about how many
// rows there are. Its statistics may be those of an empty table, as after a night without traffic,
// and a plan for that compares each key with each row. So there is no join whose order the server
// could choose: FOR UPDATE keeps it from taking a subquery apart.
const lockedSQL = `
SELECT a.place::integer - 1, b.managed, coalesce(b.tier, ''), b.settings_id, b.tokens, b.counted_at, coalesce(b.leases::text, '')
FROM unnest($1::integer[], $2::text[]) WITH ORDINALITY AS a (namespace, client_id, place)
CROSS JOIN LATERAL (SELECT * FROM @.buckets b
	WHERE b.namespace = a.namespace AND b.client_id = a.client_id FOR NO KEY UPDATE) b`

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
	leases     leases // of replicas that are alive
	hasDead    bool   // whether there are others, which end once the bucket is stored
	granted    int64  // what the asker was granted in the round that it asks again
}

// lockedKeys are the buckets of some keys, and the replicas when they were looked at.
type lockedKeys struct {
	keys
	roster
	buckets []locked
	bad     []lease.Key // whose rows can't be read
	why     error       // the first one can't
}

// refuse notes that a row can't be read.
func (l *lockedKeys) refuse(place int, why error) {
	l.bad = append(l.bad, l.at(place))
	l.why = cmp.Or(l.why, why)
	l.buckets[place] = locked{}
}

// unreadable is an error if some rows can't be read.
func (l *lockedKeys) unreadable() error {
	if l.why == nil {
		return nil
	}
	return &lease.UnreadableError{Keys: l.bad, Err: l.why}
}

// lock queues the statements that lock buckets and read them, as member sees them in one of its
// rounds.
func (b *batch) lock(k keys, member, seq int64) *lockedKeys {
	l := &lockedKeys{keys: k, buckets: make([]locked, k.len())}
	if k.len() > 0 {
		b.queue(lockedSQL, k.namespaces, k.clientIDs).Query(l.readBuckets)
	}
	b.queue(rosterSQL).QueryRow(func(row pgx.Row) error {
		if err := l.roster.read(row); err != nil {
			return err
		}
		for i := range l.buckets {
			l.buckets[i].shareOut(&l.roster, member, seq)
		}
		return nil
	})
	return l
}

func (l *lockedKeys) readBuckets(rows pgx.Rows) error {
	var place int
	var column string
	var at pgtype.Timestamptz
	var r locked
	scans := []any{&place, &r.managed, &r.tier, &r.settingsID, &r.Tokens, &at, &column}
	_, err := pgx.ForEachRow(rows, scans, func() (err error) {
		r.isThere, r.At = true, at.Time
		r.leases, err = leasesOf(l.clientIDs[place], column)
		l.buckets[place] = r
		if err := cmp.Or(err, checkCounted(l.clientIDs[place], r.Tokens, at.InfinityModifier)); err != nil {
			l.refuse(place, err)
		}
		return nil
	})
	return err
}

// checkCounted is checkTokens of tokens that were counted at some moment.
func checkCounted(clientID string, tokens float64, at pgtype.InfinityModifier) error {
	if at != pgtype.Finite {
		return fmt.Errorf("client %q: tokens can't have been counted at %v", clientID, at)
	}
	return checkTokens(clientID, tokens)
}

func checkTokens(clientID string, tokens float64) error {
	if math.IsNaN(tokens) || math.IsInf(tokens, 0) {
		return fmt.Errorf("client %q: %v tokens can't be", clientID, tokens)
	}
	return nil
}

// leasesOf reads the column of a client's leases.
func leasesOf(clientID, column string) (leases, error) {
	all, err := decodeLeases(column)
	return all, wrapf(err, "client %q: its leases", clientID)
}

// shareOut counts what member holds, what others do, and what those held who are dead. It keeps the
// leases of those who are alive.
func (b *locked) shareOut(of *roster, member, seq int64) {
	all := b.leases
	b.leases = all[:0]
	for _, h := range all {
		if at, isDead := of.deathOf(h.replica); isDead {
			b.hasDead = true
			b.Dead += h.tokens
			b.DiedAt = later(b.DiedAt, at)
			continue
		}
		b.leases = append(b.leases, h)
		if h.replica != member {
			b.Others += h.tokens
			continue
		}
		b.Mine = h.tokens
		if h.seq == seq {
			b.granted = h.granted
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
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

// learn fills in the buckets' settings. It fails if there is a row that can't be read.
func (l *lockedKeys) learn(ctx context.Context, ledger *Ledger, conn *pgx.Conn) error {
	ids := map[int32]bool{}
	for i := range l.buckets {
		if b := &l.buckets[i]; b.isThere {
			ids[b.settingsID] = true
		}
	}
	bad, err := ledger.learn(ctx, conn, ids)
	if err != nil {
		return err
	}
	for i := range l.buckets {
		b := &l.buckets[i]
		if !b.isThere {
			continue
		}
		s, ok := ledger.known.settings(b.settingsID)
		if !ok {
			l.refuse(i, wrapf(cmp.Or(bad[b.settingsID], errNoSettings), "client %q", l.clientIDs[i]))
			continue
		}
		b.Settings = s
	}
	return l.unreadable()
}

var errNoSettings = errors.New("its row of settings is gone")

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
	leases   []string
	deletes  keys
}

// keep is what follows from a bucket that has been settled.
func (c *changes) keep(key lease.Key, b *locked) {
	if !b.exists() {
		c.deletes.add(key)
		return
	}
	c.puts.add(key)
	c.settings = append(c.settings, b.settingsID)
	c.tokens = append(c.tokens, b.Tokens)
	c.at = append(c.at, b.At)
	c.leases = append(c.leases, b.leases.encode())
}

// The statements that change rows.
const (
	// putBucketsSQL is for rows that are there, and locked.
	putBucketsSQL = `
INSERT INTO @.buckets (namespace, client_id, managed, settings_id, tokens, counted_at, leases)
SELECT namespace, client_id, false, settings_id, tokens, counted_at, nullif(leases, '{}')::bigint[]
FROM unnest($1::integer[], $2::text[], $3::integer[], $4::double precision[], $5::timestamptz[], $6::text[])
	AS u (namespace, client_id, settings_id, tokens, counted_at, leases)
ON CONFLICT (namespace, client_id) DO UPDATE SET settings_id = excluded.settings_id,
	tokens = excluded.tokens, counted_at = excluded.counted_at, leases = excluded.leases, reserved = NULL`

	deleteBucketsSQL = `DELETE FROM @.buckets WHERE namespace = $1 AND client_id = ANY ($2::text[])`
)

// change queues the statements that make changes.
func (b *batch) change(c *changes) {
	if c.puts.len() > 0 {
		b.queue(putBucketsSQL, c.puts.namespaces, c.puts.clientIDs, c.settings, c.tokens, c.at, c.leases)
	}
	for namespace, clientIDs := range c.deletes.byNamespace() {
		b.queue(deleteBucketsSQL, namespace, clientIDs)
	}
}
