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
// A bucket in a tier is managed and has the tier's settings, also after a start or a reload with
// other ones. Its row has the tier's name, and the settings that its tokens were earned at. If the
// tier is gone, the bucket has the limit's own settings until there is such a tier again.
//
// # Limits that replicas share
//
// The buckets of a limit with Sharing are in a ledger that several processes share, and package
// lease has what this one may spend of them. Takers find that in memory (shared.go). They wait for
// the ledger only if the replica has too little, and it isn't known whether there is more.
// Operators' writes go to the ledger, which orders those of all replicas (sharedadmin.go). What
// follows is about the others: rounds, rows, the write lock, and what can be lost.
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
// # Reloads
//
// Service.Prepare checks what the limits are to be, and makes and loads those that are new.
// Reload.Apply then changes memory, at once, and calls no store (reload.go). A limit stays if its
// name and its fingerprint do, with all that was spent from it. All of its other options may
// change.
//
// If its numbers change, which are its settings and its tiers, tokens that were spent stay spent.
// What was earned before the change was earned at the former refill. What a bucket holds is cut to
// the new capacity. An unmanaged bucket that was full is full. No row is rewritten for that, since
// there may be millions:
//
//   - In memory, a bucket is converted when somebody meets it. Each has a bit for its era, the
//     numbers that it is counted under: see package table. Run converts the rest, a few pages at a
//     time with pauses in between, so that takers needn't wait for a processor.
//   - In the store, the limit's namespace notes what was changed and when (renumbered.go). A start
//     credits each row at the row's own settings until then, and at the other ones from then on.
//     The note has the two moments between which the change came. The client gets what is least
//     for any moment between them.
//   - The next batch has the note, at the latest one of the next round, which begins within a
//     twentieth of an interval. A start with other numbers than the last run's makes such a note,
//     too.
//   - Managed buckets in a tier are written again once they are converted. Unmanaged ones are
//     written when they spend. The note is dropped when all buckets are converted, what was dirty
//     is written, and the longest of the times to fill, also what rows reserve, has passed: an
//     unmanaged bucket that wasn't written since is full by then. A namespace has 256 such notes at
//     most. If it needs more, the first ones go, and a row from before those that are left counts
//     as empty at the first of them.
//
// A strict limit may change, too. Prepare notes what is planned, so the store must be there. If a
// start finds a plan, and no note of its result, a client gets what is less: with the change or
// without it. That also holds for a row that is written in the very microsecond in which the start
// is over. A limit that becomes strict is noted as strict before Apply. Its rows from before
// then count as rows that reserve everything. Where a limit isn't strict any more, a bucket keeps
// its reservation until its next row is stored.
//
// A limit that isn't wanted any more is leaving (leaving.go). Requests that began before may still
// take from it, and rounds go on writing its buckets. It goes with the first round that ends a
// flush interval or more after Apply and leaves nothing dirty. Its namespace then notes a stop. If
// the limit comes back earlier, it is the same one. If later, its rows are loaded as those of a new
// limit are.
//
// Prepare loads the rows of a new limit (added.go). If the store is away, the limit begins without
// them, and the first round that reaches the store loads them. What its clients have spent by then
// is taken off. A strict one is refused.
//
// A limit whose client_ids become secret is a new one, with the rows of the one that has plain
// client_ids. It is refused until that one has gone, so it takes a restart, or two reloads.
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
// A flush may not see a take that has not returned, and those behind it from the same bucket. So
// while a request stalls during a take, S goes back to that.
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
//   - If the wall clock is ahead by D after a restart, or when a limit returns that had left:
//     min(C, r*D). Its rows, and the note of its stop, have their moments by that clock.
//   - If the wall clock is behind then: 0. A client isn't credited for the time that the clock
//     repeats.
//   - If the wall clock steps while the limit is there: 0. Buckets are refilled by the monotonic
//     clock. If the client's numbers have changed since its row was written, and all steps ahead
//     since then come to D: min(C, r*D) by the fastest refill meanwhile. It is C if its capacity
//     grew, since its bucket may seem to have been full by then. It is C, too, if the clock stepped
//     back and the client's numbers went and came back, or were planned to go: a row has its place
//     among changes by its settings, and by the clock only if they were there more than once.
//   - After an orderly stop, or a reload: 0.
//   - After a crash before the end of the first round behind a reload that changed the numbers:
//     what a row comes to more if it is credited at the former settings until the start, since the
//     note may not be in the store then. If the client has no row, or has an unmanaged bucket and
//     has spent since its row: the new C. That round begins within F/20, or, if the store is away,
//     as late as any other. The same holds before the end of the first round of a run that started
//     with other numbers.
//   - If a request stalls over a reload and the round behind it, during a take by the former
//     numbers from an unmanaged bucket: the new C, until another round has stored the take.
//   - If a request stalls over two reloads during a take, and its bucket comes to the very same
//     state again: one take, by the numbers that the request found. See package table.
//   - After a crash of a limit that a reload or the start made not strict: C, if the client had
//     no row and an earlier crash had left it an empty bucket. It starts full.
//   - If a limit began without its rows, as the store was away: C, until they are loaded. That is
//     when the store is back, and takes off what was spent meanwhile.
//   - If a request that began before a reload takes from a limit that has gone: what it takes.
//   - After a crash or a stop past max_buckets, if it shared an overflow bucket: C. These are
//     stored nowhere.
//
// Where several of these come together, what they give back adds up, to C at most.
//
// With Strict the bound is 0 for a crash, whether or not the store was away or clients shared
// overflow buckets, also behind a reload, and for a power loss whose commits were synced. The
// others are as above. A strict crash takes from a client what was reserved, min(C, tokens) at
// most, and once: the next start finds it taken. If that one crashes before it has written the row
// again, a row that reserves everything loses what was earned in between, too. If a reload made the
// limit strict, everything is what a row from before then reserves. Without Strict a crash takes
// nothing, except what a row reserves that was written when the limit was strict, what a strict one
// takes if the store has no note yet that the limit isn't strict any more, and what a client had by
// new numbers that weren't noted yet.
//
// An admin write that changes a refill counts from when its row was made. So after a crash right
// behind it, the time that the store took has earned at the new refill. If a reload has changed the
// numbers of the bucket's tier meanwhile, it has earned at the former ones until then, and the row
// has what the reload has cut. A bucket that comes into the tier is cut by the former numbers, as
// its row was. If several reloads have changed them, a crash takes what those in between would have
// cut, until the next round has written the row again.
//
// # The simulation
//
// sim_test.go holds the Service to these bounds. It runs the Service itself on a clock and a store
// of its own, one step at a time, with a crash, a failure, or another call before any access to a
// bucket. Takers are interrupted there, too, and go on while others are at work. Reloads are
// prepared and applied there, also during a take, a batch, or an admin write. A seed determines all
// that happens.
//
// Comments that begin with "//mutant:" mark places that mutant_test.go breaks, to see that the
// simulation notices.
package limiter
