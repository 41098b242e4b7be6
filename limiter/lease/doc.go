// Package lease has several processes, called replicas, share each client's bucket.
//
// A Ledger, which is a database, has the buckets. A replica spends only tokens that the ledger has
// granted to it before, which are its lease. It asks for more in the background (a round), and
// gives back what it doesn't need. So requests wait for the ledger only when a client is new to a
// replica.
//
// # Why no more is admitted than one bucket would
//
// A bucket is a pair: what nobody holds (Tokens), and what replicas hold (the leases). The rules
// are in rule.go, and these are all of them:
//
//   - Tokens are earned at the refill, as long as they and all leases come to less than the
//     capacity. A lease counts as held until its holder tells otherwise.
//   - A grant moves tokens to a lease, as far as there are any.
//   - A lease gets smaller when its holder reports spending, or gives tokens back.
//
// So tokens and leases are never more than the capacity C at any moment s, and what replicas still
// hold is at most what the ledger thinks they do. What they can spend from s until s + T is what
// they hold at s, and what is granted until then: at most C, and r*T that was earned meanwhile.
// However many replicas there are, and whatever they ask, that is the bound of one bucket.
//
// # When the response to a Join is lost
//
// The ledger may then wait for a registration that its replica doesn't know of, and that has the
// name. Only rounds are granted anything, so nothing is held under it, and the replica is given the
// same one when it asks again. It isn't expelled for another one: a first Join that arrived after
// the response to the second one would then expel what the replica spends from, whose tokens would
// be earned a second time.
//
// # When a replica is silent
//
// A replica may spend for a TTL from before its last round that succeeded. The ledger expels it
// once it has been silent for longer than that, with a margin for clocks that run differently. From
// then on its leases count as spent, and are no leases any more. It must join again, and holds
// nothing then. So a replica that crashes takes with it what it held, and one that was paused finds
// that it may not spend. Two things can't be prevented: a request that had been found to be in time
// when its process was paused spends its token when that goes on; and a machine whose monotonic
// clock stands still, as it was suspended, finds nothing until its next round.
package lease
