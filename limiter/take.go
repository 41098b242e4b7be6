package limiter

import (
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/table"
)

// Decision is the outcome of a Take.
type Decision struct {
	// Allowed reports whether the tokens were spent.
	Allowed bool
	// Remaining is how many whole tokens are left.
	Remaining int64
	// RetryAfter is the time until there are as many tokens as the take costs: 0 if there are.
	RetryAfter time.Duration
	// Settings are the bucket's, for the RateLimit fields and logs. They must not be written to.
	Settings *gcra.Settings
	// Shared reports whether the client shares its bucket, as there is no room for one of its own.
	Shared bool
	// Near reports whether the take was allowed and left less than a fifth of the bucket, so that
	// the client may soon be refused. It is false for a take that was refused: that is no warning.
	Near bool
}

// Take spends tokens of the client's bucket, which it creates for a client that has none. clientID
// is 1 to MaxClientID bytes and may alias a request's buffer: it is copied before it is kept. Take
// never waits for a store. For a client that has a bucket it waits for no lock, unless the bucket
// is being replaced, and allocates nothing.
//
// A bucket that can't hold as many tokens as the cost is asked for all that it can hold. A cost of
// 0 is never refused.
func (l *Limit) Take(clientID string, cost int64) Decision {
	now := l.clock.Monotonic()
	if l.lease != nil {
		return l.takeShared(clientID, cost, now)
	}
	if cost == 0 {
		return l.look(clientID, now)
	}
	t := l.table.Take(clientID, cost, now)
	if t.Limit() == table.Never { // As decide, which isn't inlined.
		return decisionOf(&t, cost, now)
	}
	return l.decideReserved(t, cost, now)
}

// look is a take that costs nothing.
func (l *Limit) look(clientID string, now int64) Decision {
	var seen table.Sight
	l.table.Seek(&seen, clientID, 0)
	l.table.Look(&seen, now)
	return l.decide(seen.Taken, 0, now)
}

func (l *Limit) decide(t table.Taken, cost, now int64) Decision {
	if t.Limit() == table.Never {
		return decisionOf(&t, cost, now)
	}
	return l.decideReserved(t, cost, now)
}

// decisionOf is the Decision for who took from a bucket that has no limit.
func decisionOf(t *table.Taken, cost, now int64) Decision {
	return decisionBy(t, cost, t.Rate.Credit(t.TAT, now))
}

// decisionBy is decisionOf if the client has this credit.
func decisionBy(t *table.Taken, cost, credit int64) Decision {
	r := t.Rate
	d := Decision{Allowed: t.Outcome == table.Allowed, Remaining: r.Whole(credit), Settings: &r.Settings, Shared: t.Shared}
	d.Near = d.Allowed && d.Remaining < (r.Capacity+4)/5
	if d.Remaining < cost {
		d.RetryAfter = time.Duration(r.Price(cost) - credit)
	}
	return d
}

// decideReserved is the Decision if the bucket has a limit: see ledger.go. Tokens that aren't
// reserved yet don't count as Remaining. If the take failed for want of a reservation, the next
// round begins early.
func (l *Limit) decideReserved(t table.Taken, cost, now int64) Decision {
	if t.Outcome == table.Unreserved {
		l.service.flushEarly()
	}
	return l.foresee(t, cost, now)
}

// foresee is the Decision, whether the bucket has a limit or not. It changes nothing.
func (l *Limit) foresee(t table.Taken, cost, now int64) Decision {
	d := decisionOf(&t, cost, now)
	if t.Limit() == table.Never {
		return d
	}
	reserved := max(0, t.Limit()-max(t.TAT, now))
	d.Remaining = min(d.Remaining, reserved/t.Rate.Interval)
	if t.Outcome == table.Unreserved {
		d.RetryAfter = max(d.RetryAfter, l.service.options().FlushInterval)
	}
	return d
}

// Use is a limit as one request uses it.
type Use struct {
	Limit *Limit
	// ClientID is as in Limit.Take. It stays as it is until the Take is over.
	ClientID string
	// Cost is in tokens, 0 or more. A bucket that can't hold so many is asked for all it can hold.
	Cost int64
	// Decision is what this limit says; Take writes it. Its Allowed reports whether this limit is
	// no reason to refuse. The tokens are only spent if no limit is one.
	Decision Decision

	place   lease.Place
	isAlone bool // the ledger is away, and the replica held too little
	seen    table.Sight
}

// Take takes from several limits of one Service, or from none of them. It reports whether it took;
// if not, each Decision reports whether its limit is a reason. It looks at all of them first, which
// writes nothing, and then takes in order. If somebody else has taken the last token of one in
// between, what was taken from those before it is given back. So another request can be refused for
// that moment, but in any time no more is admitted than each limit allows. It waits and allocates
// as little as Limit.Take.
func Take(uses []Use) (allowed bool) {
	switch len(uses) {
	case 0:
		return true
	case 1:
		u := &uses[0]
		u.Decision = u.Limit.Take(u.ClientID, u.Cost)
		return u.Decision.Allowed
	}
	if allowed = takeOrWait(uses); !allowed {
		excuse(uses)
	}
	return allowed
}

func takeAll(uses []Use, now int64) (allowed bool) {
	allowed = see(uses, now) && spend(uses)
	for i := range uses {
		uses[i].decide()
	}
	return allowed
}

// see looks at all buckets, and reports whether each has what it is asked for.
func see(uses []Use, now int64) (allowed bool) {
	fetch(uses, now)
	allowed = true
	for i := range uses {
		u := &uses[i]
		u.look()
		//mutant:true several-are-taken-although-one-refuses
		allowed = allowed && u.seen.Outcome == table.Allowed
	}
	return allowed
}

// fetch has the processor load all buckets at once. Those of many clients are in no cache, and
// looking at them one by one would wait for memory once for each.
func fetch(uses []Use, now int64) {
	for i := range uses {
		u := &uses[i]
		if u.find(now); u.place.Table != nil {
			u.place.Table.Seek(&u.seen, u.ClientID, u.Cost)
		}
	}
	for i := range uses {
		if u := &uses[i]; u.place.Table != nil {
			u.seen.Fetch()
		}
	}
}

// look sees what the use's bucket has.
func (u *Use) look() {
	switch {
	case u.place.Table != nil:
		u.place.Table.Look(&u.seen, u.place.Now)
	case u.place.Allowed:
		u.seen.Outcome = table.Allowed
	}
}

// spend takes from all, or gives back what it took.
func spend(uses []Use) bool {
	for i := range uses {
		u := &uses[i]
		if u.place.Table == nil {
			continue
		}
		u.place.Table.Spend(&u.seen, u.place.Now)
		if u.seen.Outcome != table.Allowed {
			//mutant:drop a-lost-race-keeps-what-was-taken
			giveBack(uses[:i])
			return false
		}
	}
	return true
}

// giveBack undoes what was taken, and looks at what is there now.
func giveBack(uses []Use) {
	for i := range uses {
		u := &uses[i]
		if u.place.Table == nil {
			continue
		}
		u.place.Table.GiveBack(&u.seen, u.place.Clock)
		u.place.Table.Look(&u.seen, u.place.Clock.Monotonic())
	}
}

// decide writes the Decision, and lets go of what was seen.
func (u *Use) decide() {
	if u.seen.Outcome == table.Unreserved {
		u.Limit.table.Reserve(&u.seen, u.place.Now)
	}
	switch {
	case u.place.Table == nil:
		u.Decision = u.Limit.withoutTable(u.place, u.Cost)
	case u.place.Held:
		u.Decision = decisionOfHeld(&u.seen.Taken, u.Cost)
	default:
		u.Decision = u.Limit.decide(u.seen.Taken, u.Cost, u.place.Now)
	}
	u.seen = table.Sight{}
}
