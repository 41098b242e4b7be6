package limiter

import "gopher-equalizer/limiter/table"

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

	seen table.Sight
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
	return take(uses, uses[0].Limit.clock.Monotonic())
}

func take(uses []Use, now int64) (allowed bool) {
	fetch(uses)
	allowed = true
	for i := range uses {
		u := &uses[i]
		u.Limit.table.Look(&u.seen, now)
		//mutant:true several-are-taken-although-one-refuses
		allowed = allowed && u.seen.Outcome == table.Allowed
	}
	allowed = allowed && spend(uses, now)
	for i := range uses {
		uses[i].decide(now)
	}
	return allowed
}

// fetch has the processor load all buckets at once. Those of many clients are in no cache, and
// looking at them one by one would wait for memory once for each.
func fetch(uses []Use) {
	for i := range uses {
		u := &uses[i]
		u.Limit.table.Seek(&u.seen, u.ClientID, u.Cost)
	}
	for i := range uses {
		uses[i].seen.Fetch()
	}
}

// spend takes from all, or gives back what it took.
func spend(uses []Use, now int64) bool {
	for i := range uses {
		u := &uses[i]
		u.Limit.table.Spend(&u.seen, now)
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
		u.Limit.table.GiveBack(&u.seen, u.Limit.clock)
		u.Limit.table.Look(&u.seen, u.Limit.clock.Monotonic())
	}
}

// decide writes the Decision, and lets go of what was seen.
func (u *Use) decide(now int64) {
	if u.seen.Outcome == table.Unreserved {
		u.Limit.table.Reserve(&u.seen, now)
	}
	u.Decision = u.Limit.decide(u.seen.Taken, u.Cost, now)
	u.seen = table.Sight{}
}
