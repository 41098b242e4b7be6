package postgres

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// held is what a replica holds of a bucket.
type held struct {
	replica int64
	tokens  int64 // more than 0
	seq     int64 // the replica's round that told of it last, and
	granted int64 // what that one was granted
}

// leases are what replicas hold of a bucket, each of them once. A column of the bucket's row has
// their numbers one behind the other, in the order of held's fields; NULL is none.
type leases []held

// numbersOfOne is how many numbers one of the leases has.
const numbersOfOne = 4

// encode writes the column as PostgreSQL's notation of an array; "{}" is none.
func (l leases) encode() string {
	text := make([]byte, 0, 2+32*len(l))
	text = append(text, '{')
	for i, h := range l {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, h.replica, 10)
		for _, n := range [...]int64{h.tokens, h.seq, h.granted} {
			text = strconv.AppendInt(append(text, ','), n, 10)
		}
	}
	return string(append(text, '}'))
}

// decodeLeases reads the column, in the notation that encode writes. NULL is "". Errors have what
// is wrong, and not whose leases they are.
func decodeLeases(column string) (leases, error) {
	if column == "" || column == "{}" {
		return nil, nil
	}
	list, isArray := strings.CutPrefix(column, "{")
	list, isClosed := strings.CutSuffix(list, "}")
	if !isArray || !isClosed {
		return nil, fmt.Errorf("%q is no array of numbers", column)
	}
	numbers := strings.Split(list, ",")
	if len(numbers)%numbersOfOne != 0 {
		return nil, fmt.Errorf("%d numbers; want %d for each replica", len(numbers), numbersOfOne)
	}
	all := make(leases, 0, len(numbers)/numbersOfOne)
	for one := range slices.Chunk(numbers, numbersOfOne) {
		h, err := decodeHeld(one)
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, all.check()
}

func decodeHeld(numbers []string) (h held, err error) {
	for i, to := range [numbersOfOne]*int64{&h.replica, &h.tokens, &h.seq, &h.granted} {
		*to, err = strconv.ParseInt(numbers[i], 10, 64)
		if err != nil {
			return held{}, fmt.Errorf("%q is no number of 64 bits", numbers[i])
		}
	}
	if h.replica < 1 || h.tokens < 1 || h.seq < 1 || h.granted < 0 {
		return held{}, fmt.Errorf("replica %d can't hold %d tokens since its round %d, which was granted %d", h.replica, h.tokens, h.seq, h.granted)
	}
	return h, nil
}

func (l leases) check() error {
	sum := int64(0)
	for i, h := range l {
		if slices.ContainsFunc(l[:i], func(other held) bool { return other.replica == h.replica }) {
			return fmt.Errorf("replica %d is there twice", h.replica)
		}
		if sum > math.MaxInt64-h.tokens {
			return errors.New("they come to more than a number of 64 bits")
		}
		sum += h.tokens
	}
	return nil
}

// with are the leases once a replica holds what h has; without it if that is nothing. It may change
// the former ones.
func (l leases) with(h held) leases {
	i := slices.IndexFunc(l, func(other held) bool { return other.replica == h.replica })
	switch {
	case i < 0 && h.tokens > 0:
		return append(l, h)
	case i >= 0 && h.tokens > 0:
		l[i] = h
	case i >= 0:
		return slices.Delete(l, i, i+1)
	}
	return l
}

// rosterSQL comes after the statement that locks buckets: the replicas whose leases they have are
// there then. All of them meet the condition, which makes the server use an index. Sequential scans
// are off, which makes one so dear that the server would compile the statement.
const rosterSQL = `
SELECT clock_timestamp(), coalesce(array_agg(id), '{}'), coalesce(array_agg(died_at), '{}') FROM @.replicas WHERE id > 0`

// roster is which replicas there are at a moment.
type roster struct {
	now  time.Time
	died map[int64]time.Time // by their ids; the zero time: it is alive
}

func (r *roster) read(row pgx.Row) error {
	var ids []int64
	var died []*time.Time
	if err := row.Scan(&r.now, &ids, &died); err != nil {
		return err
	}
	r.died = make(map[int64]time.Time, len(ids))
	for i, id := range ids {
		r.died[id] = orZero(died[i])
	}
	return nil
}

// alive is how many are.
func (r *roster) alive() (n int) {
	for _, at := range r.died {
		if at.IsZero() {
			n++
		}
	}
	return n
}

// dead are the ids of those that are not.
func (r *roster) dead() (ids []int64) {
	for id, at := range r.died {
		if !at.IsZero() {
			ids = append(ids, id)
		}
	}
	return ids
}

// deathOf is when a replica died, if it is dead. One that there is no row of any more died at some
// moment, which counts as now: what it held was no room to earn until then.
func (r *roster) deathOf(replica int64) (at time.Time, isDead bool) {
	at, isThere := r.died[replica]
	if !isThere {
		return r.now, true
	}
	return at, !at.IsZero()
}
