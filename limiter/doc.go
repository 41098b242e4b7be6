// Package limiter gives every client a token bucket, keeps the buckets in memory, and writes them
// behind to a store.
//
// Package gcra has the arithmetic, and package table the buckets in memory. A Limit has a table of
// its own, and decides (take.go). A Service has any number of limits and one store: it lets
// operators change buckets (admin.go), lists them (list.go), and is the only writer of the store.
//
// # Several limits, or none
//
// A request that is under several limits takes from all of them or from none (take.go). All are
// looked at first, which writes nothing, so all that refuse are known. Then they are taken from in
// order. If another request has taken the last token of one in between, what was taken is given
// back to the buckets before it, as far as they haven't earned it since. It goes to the very bucket
// that it was taken from. One that an operator has written meanwhile, or that has moved, gets
// nothing.
//
// The law is one-sided. No limit ever admits more than capacity + refill * t. But a request can be
// refused because another one that was refused, too, held the last token for a moment. What was
// given back since the last flush is the client's loss in a crash.
//
// # Namespaces
//
// A row is named by its namespace and the client_id. A namespace is a limit's name with a
// fingerprint of its key (namespace.go), since under another key the same client_id may be somebody
// else. The store has the namespaces, too, with a note for each of how its last run ended. So a run
// without a limit says nothing about that limit. Rows of a limit that has left are there again when
// it returns. The unmanaged ones are deleted after Options.LimitsKept (sweep.go).
//
// Where the client_ids of a limit have become secret, its rows are rewritten under their hashes in
// one transaction, by the first round (namespace.go).
//
// # Tiers
//
// A bucket in a tier is managed and has the tier's settings, also after a start with other ones.
// Its row has the tier's name, and the settings that its tokens were earned at.
//
// # Rounds
//
// A round (round.go) begins every flush interval. It takes the dirty buckets, in the order of their
// client_ids, and writes them in batches of 10,000 (batch.go). If the store can't write a batch
// within its timeout, the batch size is halved, down to 100, so that a slow store makes progress.
//
// An unmanaged bucket that will be full again within a flush interval isn't written: it is full
// before its row could matter. If it may have a row, the row is deleted. The bucket stays dirty
// until it is full or spends more. So limits that fill up within a flush interval cost the store
// next to nothing. The last round of a stop writes all buckets that aren't full.
//
// Nothing is written to a store that ends with the process: nobody could ever read it.
//
// # Rows
//
// Each row has the settings that its tokens were earned at, managed or not. If all rows of a limit
// shared one copy, a crash between changing the copy and rewriting the rows would credit rows at
// settings that they were not counted under.
//
// Tokens are stored with their fraction, as a float64 that is never above the true value. So a row
// doesn't depend on how its settings divide time.
//
// # One lock orders all writes
//
// Batches and admin writes hold the same lock from reading the values to the commit. Takers never
// touch it. An admin write goes to the store first and then to memory, relative to the live tokens.
// So a flush can't undo an admin write or revive a deleted bucket.
//
// # After an ambiguous error
//
// If a connection breaks around a commit, nothing is assumed (writer.go). The next call to the
// store outwaits what the broken one may still do: see Store. Then the row in doubt is read again,
// and memory follows it. Until then Get returns ErrInDoubt for that bucket, because what memory
// holds may be about to change. The write is in the store whole, or not at all.
//
// # Strict
//
// With LimitOptions.Strict a crash gives back nothing. Each row then also has a number of reserved
// tokens: what its client may spend before its next row is stored (ledger.go). A take that would
// pass the reservation is refused, and the next round begins within a twentieth of an interval. The
// take never waits.
//
// After a crash a client has tokens - reserved, refilled since: every take is covered by the
// reservation of some stored row.
//
//   - How much: half the capacity, rounded up, or what is earned in four flush intervals if that is
//     more. So a client at its full rate never meets its limit. A client that comes back and spends
//     more than half its capacity at once does, for as long as a round takes.
//   - A client without a row needs no reservation. After a crash it starts empty, so all that it
//     has spent is covered. Its first request is admitted like any other, and stores nothing first.
//     The same holds for a bucket whose row reserves everything. Each admin write stores such a
//     row, since takers go on meanwhile. So does a managed bucket that is full, because its tokens
//     would otherwise have to be reserved again and again.
//   - The order: a limit is raised, or taken off, after its row is stored. A new limit is set
//     before. The round kills the bucket that has no limit and puts one with a limit in its place,
//     so a taker that hasn't seen the limit looks up again. If the store refuses the row, the limit
//     is taken off again. If the row is in doubt, it stays.
//   - The mark of an orderly stop is in the last batch of a run, for each limit. The first batch of
//     a run takes it away, which a strict start writes before it serves. A start that doesn't find
//     the mark gives clients without a row an empty bucket, overflow buckets too, and counts what
//     is reserved as spent. If a run stops before those buckets would be full, its mark notes when
//     they will be. Until then no full bucket is dropped, and no row of one.
//   - While the store is away, new clients are admitted as ever, and those with a row up to their
//     reservation.
//
// # What can be lost, and regained
//
// The bounds below are what one client can spend over capacity + refill*t, counted over a crash and
// the start that follows. They use these letters:
//
//	C  the capacity             F  the flush interval         T  the store's timeout
//	r  the refill               d  how long a flush takes
//	S  what was spent since the last committed flush read the bucket
//
// Without Strict a client can regain:
//
//   - After kill -9: min(C, S + r*F), where S is of the last max(F, d) + d at most. The part r*F is
//     only for a bucket that was not written because it would be full within F.
//   - After a power loss: the same, as every commit is synced. bbolt uses fdatasync. PostgreSQL
//     follows fsync as its server has it, and synchronous_commit, which our session turns on. With
//     fsync = off, or a disk that lies: C.
//   - After a crash while the store was away for A: min(C, S + r*F), where S is of the last
//     max(F, d) + d + A + T + max(F, 15 s) + d at most. T is for an attempt that hung when the
//     store came back, and then comes the longest pause between two attempts. Stats.Lag is how long
//     it is at the moment.
//   - If a bbolt file's newest meta page is damaged: what the last two transactions held.
//   - If the wall clock is ahead by D after a restart: min(C, r*D).
//   - If the wall clock is behind after a restart: 0. A client isn't credited for the time that the
//     clock repeats.
//   - If the wall clock steps while the process runs: 0. Buckets are refilled by the monotonic
//     clock.
//   - After an orderly stop: 0.
//   - After a crash or a stop past max_buckets, if it shared an overflow bucket: C. These are
//     stored nowhere.
//
// Where several of these come together, what they give back adds up, to C at most.
//
// With Strict the bound is 0 for a crash, whether or not the store was away or clients shared
// overflow buckets, and for a power loss whose commits were synced. The others are as above. A
// strict crash takes from a client what was reserved, min(C, tokens) at most, and once: the next
// start finds it taken. Without Strict a crash takes nothing.
//
// An admin write that changes a refill counts from when its row was made. So after a crash right
// behind it, the time that the store took has earned at the new refill.
//
// # The simulation
//
// sim_test.go holds the Service to these bounds. It runs the Service itself on a clock and a store
// of its own, one step at a time, with a crash, a failure, or another call before any access to a
// bucket. Takers are interrupted there, too, and go on while others are at work. A seed determines
// all that happens.
//
// Comments that begin with "//mutant:" mark places that mutant_test.go breaks, to see that the
// simulation notices.
package limiter
