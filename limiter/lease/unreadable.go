package lease

import (
	"context"
	"errors"
	"time"
)

// A bucket that the ledger can't read is refused, and no other one.
//
// Its batch is asked again without it, under the same number. If the ledger has the whole batch
// from an attempt before, whose outcome nobody knew, the rest has the grants of that one, and moves
// no tokens. If it doesn't, the rest is settled now. What the bucket's ask was to give back counts
// as spent, as the ledger may have got it. What the replica still holds can be spent: a lease of at
// least that stays in the ledger, until another ask tells of less, or the replica is dead.

// renew asks the ledger, and leaves out what it can't read.
func (r *Replica) renew(ctx context.Context, b *batch) (replies []Reply, alive int, err error) {
	calling, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	for {
		replies, alive, err = r.ledger.Renew(calling, b.Round)
		var u *UnreadableError
		if !errors.As(err, &u) {
			return replies, alive, err
		}
		out := b.without(u.Keys)
		if len(out.parts) == 0 {
			return nil, 0, err
		}
		for i := range out.parts {
			out.parts[i].refuse(&out.Asks[i])
		}
		out.serve()
		r.tell(err, out)
	}
}

// without takes what is asked about some buckets out of the batch, and returns that. The ledger may
// still be reading the former Asks.
func (b *batch) without(keys []Key) (out *batch) {
	is := make(map[Key]bool, len(keys))
	for _, key := range keys {
		is[key] = true
	}
	out = &batch{}
	asks, parts := b.Asks, b.parts
	b.Asks, b.parts = nil, nil
	for i := range asks {
		to := b
		if is[asks[i].Key] {
			to = out
		}
		to.Asks, to.parts = append(to.Asks, asks[i]), append(to.parts, parts[i])
	}
	return out
}

// refuse refuses a client whose ask the ledger can't reply to, beyond what the replica holds.
func (p *part) refuse(a *Ask) {
	p.held = a.Held
	c := p.limit.held.Load().Claim(p.clientID)
	defer c.Release()
	b := bucketOf(&c)
	b.SetLeft(0)
	b.Set(Exhausted)
	p.end(&c, b)
}

// tellPause is the time between two log lines about unreadable buckets, which every round meets.
const tellPause = time.Minute

func (r *Replica) tell(err error, out *batch) {
	r.unreadable.Do(func() {
		first := &out.parts[0]
		r.o.Logger.Error().Err(err).Str("limit", first.limit.o.Load().Name).Str("client_id", first.clientID).Int("clients", len(out.parts)).
			Msg("buckets that can't be read in the store: their clients are refused, and others are not")
	})
}
