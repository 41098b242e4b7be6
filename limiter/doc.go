// Package limiter gives every client a token bucket, keeps the buckets in memory, and writes them
// behind to a store.
//
// Package gcra has the arithmetic, and package table the buckets in memory. What is here is a
// Service over one table: it decides (take.go), lets operators change buckets (admin.go), lists
// them (list.go), and is the only writer of the store.
//
// # Rounds
//
// A round (round.go) begins every flush interval. It takes the buckets that are dirty, in the order
// of their client_ids, and writes them in batches of 10,000 (batch.go). A batch that the store
// can't write in its timeout is halved, down to 100 buckets, so that a slow store gets ahead.
//
// An unmanaged bucket that will be full again within a flush interval of being read isn't written.
// It is full before it could matter. Its row, if it may have one, is deleted, and it stays dirty
// until it is full or spends more. So limits that fill up within a flush interval cost the store
// next to nothing. The last round of a stop writes all that isn't full.
//
// With a store that ends with the process spending is written nowhere: nobody could ever read it.
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
// and memory follows it. Until then Get returns ErrInDoubt for that bucket, too.
//
// # Strict
//
// With Options.Strict a crash gives back nothing. A row then also says how many tokens are
// reserved: what its client may spend before its next row is stored (ledger.go). A take that would
// pass that is refused, and the next round begins within a twentieth of an interval. The take never
// waits.
//
// What is left after a crash is tokens - reserved, refilled since: every take is inside what some
// stored row reserves.
//
//   - How much: half the capacity, rounded up, or what is earned in four flush intervals if that is
//     more. So a client at its full rate never meets its limit. One that had been away and spends
//     more than half its capacity at once does, for the moment that a round takes.
//   - A client without a row needs no reservation. After a crash it starts empty, so whatever it
//     has spent is covered. Its first request is admitted like any other, and stores nothing first.
//     The same holds for a bucket whose row reserves everything: each admin write stores that,
//     since takers go on meanwhile, and so does a managed bucket that is full, for which tokens
//     would otherwise have to be reserved again and again.
//   - The order: a limit is raised, or taken off, after its row is stored. A new limit comes
//     before. The round kills the bucket that has none, and puts one that has it in its place, so a
//     taker that hasn't seen the limit looks up again. If the store didn't take the row, the limit
//     goes again. In doubt it stays.
//   - The mark of an orderly stop is the last batch of a run. Every other batch takes it away, and
//     a strict start writes an empty one before it serves. A start that doesn't find the mark gives
//     clients without a row an empty bucket, overflow buckets too, and counts what is reserved as
//     spent. A run that stops so soon after such a start that those wouldn't be full yet puts into
//     its mark from when on they are. Until then no full bucket is dropped, nor its row.
//   - While the store is away, new clients are admitted as ever, and those with a row up to what is
//     reserved for them.
//
// # The simulation
//
// sim_test.go holds the Service to the bounds that ARCHITECTURE.md states for a crash. It runs the
// Service itself on a clock and a store of its own, one step at a time, with a crash, a failure, or
// somebody else's call before any access to a bucket. Takers are left there, too, and go on while
// others are at work. A seed says all that happens.
//
// Comments that begin with "//mutant:" mark places that mutant_test.go breaks, to see that the
// simulation notices.
package limiter
