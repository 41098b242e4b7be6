//go:build simulation

package limiter

import "gopher-equalizer/limiter/table"

// simUse is one limit of a taker from several.
type simUse struct {
	client *simClient
	cost   int64

	took    bool
	price   int64
	tat     int64 // after the take, true time
	changes int   // of the client's bucket, by then
	gave    int64 // credit that was given back
}

// useOf is the use of the limit that the bucket is of; nil: the operation isn't from several.
func (w *simWorld) useOf(op *simOp, b *table.Bucket) (use *simUse) {
	w.quietly(func() {
		for _, u := range op.uses {
			if w.table(u.client).Holds(b) {
				use = u
			}
		}
	})
	return use
}

// spent notes what a taker from several has spent.
func (u *simUse) spent() {
	if u != nil {
		c := u.client
		u.took, u.price, u.tat, u.changes = true, c.price(u.cost), c.tat, c.changes
	}
}

// giveBack follows what is given back: no more than the bucket hasn't earned since, and nothing to
// a bucket that an operator has written.
func (w *simWorld) giveBack(u *simUse, op *simOp, amount int64) {
	c := u.client
	switch {
	case !u.took || u.gave > 0:
		w.fail("%q was given back what it had not spent", c)
	case u.changes != c.changes:
		w.fail("%q was given tokens back although its bucket is another one", c)
	case amount > min(u.price, u.tat-op.now):
		w.fail("%q was given back more than it lacked", c)
	}
	u.gave = amount
	c.tat -= amount
	c.given += amount
	delete(c.untold, op) // No crash gives it back again.
	w.note("given back", c)
}

// takeSeveral is a take from all limits by the client that has a bucket under each.
func (w *simWorld) takeSeveral() {
	op := &simOp{taker: &simTaker{}}
	uses := make([]Use, 0, simLimits)
	for _, c := range w.clients[:simLimits] {
		if w.limits[c.limit].gone || !w.claimable(c) {
			return // Giving back might wait for whoever is interrupted.
		}
		u := &simUse{client: c, cost: w.cost(c)}
		op.uses = append(op.uses, u)
		uses = append(uses, Use{Limit: w.limits[c.limit].Limit, ClientID: c.id, Cost: u.cost})
	}
	before, takes := w.others(), w.count["take"]+w.count["several"]
	w.during(op, func() {
		allowed := Take(uses)
		alone := before == w.others()
		idle := alone && takes == w.count["take"]+w.count["several"]
		for _, u := range op.uses {
			if !allowed && idle && u.took {
				w.fail("%q was taken from although another limit refuses", u.client)
			}
			w.tookOne(op, u, allowed, alone)
		}
		if allowed {
			w.note("several")
		} else {
			w.note("several refused")
		}
	})
}

// others counts what may kill or move a bucket, or give back, while a taker is at work.
func (w *simWorld) others() (n int) {
	for _, what := range []string{"put", "delete", "flush", "flush that failed", "reap", "grow", "stored", "several refused", "prepared", "reload", "reload that failed", "discard", "renew"} {
		n += w.count[what]
	}
	return n
}

// tookOne checks what became of one limit. alone says that meanwhile there were other takers at
// most.
func (w *simWorld) tookOne(op *simOp, u *simUse, allowed, alone bool) {
	c := u.client
	defer delete(c.untold, op)
	switch {
	case allowed && !w.stepped:
		op.cost = u.cost
		seen, _ := w.peek(c)
		w.observeSpent(c, op, seen)
	case allowed && !u.took:
		w.fail("several were allowed, and nothing was taken from %q", c)
	case allowed:
	case !u.took:
		w.looked(c)
	case alone && (u.gave == 0 && u.tat > op.now || u.gave > 0 && u.gave < min(u.price, u.tat-op.now)):
		w.fail("several were refused, and %q got %d of %d back", c, u.gave, u.price)
	}
}
