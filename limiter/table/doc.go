// Package table holds the token buckets of up to tens of millions of clients. It is a concurrent
// hash table of its own: takers find a known client's bucket, spend from it and mark it dirty
// without a lock, and the garbage collector finds next to nothing to look at.
//
// # Three layers
//
// Each layer is a known structure.
//
//   - A client's hash chooses one of 16 shards. A shard is a hash table under linear hashing
//     (Litwin 1980): it grows and shrinks by one page at a time, so nothing large ever moves at
//     once, and a table of few clients is small, even if it may have many.
//   - A page is some two hundred clients with one lock. Its buckets are in a slab.
//   - A slab is a Swiss table (Abseil) of a fixed size: control bytes, compared eight at once, and
//     slots. It is one object without pointers.
//
// A hash has these parts, from the highest bit:
//
//	 63   60       57      50 48          32 31                      0
//	+-------+-----+----------+--------------+-------------------------+
//	| shard |     | H2: the  | H1: group to | page: its lowest bits,  |
//	|       |     | control  | begin with   | as many as there are    |
//	|       |     | byte     |              | pages for               |
//	+-------+-----+----------+--------------+-------------------------+
//
// A Take finds its bucket in this way:
//
//	client_id -> hash -> shard -> page number -> directory (an xsync map) -> entry
//	                                                                          |
//	             +---------------------------+--------------------------------+
//	             v                           v                                v
//	           slab                        page {lock, dirty mark, ...}     rates of long buckets
//	+--------+----------------+----------------------------------+----------------------+
//	| header | control bytes, | slots of 32 bytes:               | client_ids of long   |
//	|        | groups of 8    | arrival, marks, client_id (<=16) | buckets              |
//	+--------+----------------+----------------------------------+----------------------+
//
// A probe begins at the group in H1, and goes on linearly. A group with an empty slot ends it. A
// slot is never used again, so there are no tombstones: a dead bucket stays where it is until the
// slab is full, or mostly dead. Then the live buckets move to another slab.
//
// # One bucket
//
// A bucket is 32 bytes, half of a cache line. Its first word, arrival, is the theoretical arrival
// time (see package gcra), the dirty bit and the era, so that one compare-and-swap spends a token
// and marks the bucket. A refusal writes nothing.
//
// An admin write, a deletion and a reap kill the bucket by one compare-and-swap, and put another
// one elsewhere, or none. A taker that meets a dead bucket looks up again. So nobody sees settings
// and tokens that don't belong together, and nobody spends from a bucket that is gone.
//
// Most buckets have the limit's settings and a client_id of at most 16 bytes. The settings of
// managed buckets, or the names of their tiers, are among the rates of the page's entry, and a
// longer client_id is behind the slots. Both are called long.
//
// # Other numbers
//
// A reload changes the settings of all unmanaged buckets, and of those in a tier, at one moment
// (numbers.go). Ten million words can't be swapped at one moment. So each has one bit that says
// under which numbers it is counted, its era, and follows the present ones when somebody meets it
// (renew.go). Its new value depends only on the old one and on the moment of the change, so it
// doesn't matter when that is, or who does it. A taker compares that bit, and nothing else. If it
// differs, the taker claims the page, and has its bucket follow.
//
// One bit is enough for two eras. Renew has all buckets follow, a few pages at a time, and the
// next reload waits for that. So a bucket is never two reloads behind. The limit of a bucket, past
// which takers may not spend, is in another word and has a bit of its own. It follows first.
//
// # A move
//
// A page grows, gives memory back, splits and merges in one way, under its lock:
//
//  1. Another slab is made, with the buckets' marks and client_ids. Their arrival words are
//     pending.
//  2. The new entry is published in the directory.
//  3. One bucket after the other is frozen in the old slab, and its word copied into the new one.
//
// A taker that finds its client's bucket pending does step 3 for that bucket itself. So it waits
// for nobody, even if the move was interrupted. Freezing and copying are compare-and-swaps that
// only the first can win. The old slab is left to the garbage collector, so a pointer to it is
// never wrong, only late.
//
// All others (admission, admin writes, the reaper) claim the page: they hold its lock while they
// change something. The flusher does so where CleanAsSeen can't: that marks a bucket as stored, and
// cleans it, without the lock. A bucket that is moving has that mark copied once it is frozen. A
// known client's taker waits for that lock only if its own bucket is being replaced at that moment,
// or is to follow other numbers.
//
// # The directory
//
// Page numbers have no gaps, so the xsync map of a shard is filled without mixing them and without
// chains. It is the only thing that is ever rehashed. That takes a millisecond, and the new client
// that caused it waits for it.
//
// # Overflow
//
// A table that is full makes no more buckets for takers. Unknown clients then share 1,024 overflow
// buckets, which are never dirty or listed. A bucket that isn't full is never evicted: that would
// forget what its client has spent. A client that comes out of overflow begins with the tokens of
// its overflow bucket.
//
// # Dirty buckets
//
// The first take from a clean bucket makes it dirty, and queues its page in a list that is linked
// through the pages. So the list takes no memory of its own, however long the store is away. A
// flush takes the lists, looks for the buckets that are dirty, sorts each shard's by client_id (4
// bytes each and 8 a page), and merges them a batch at a time. It clears the dirty bit and reads
// the arrival time in one step, so it misses no spending. A bucket may move meanwhile: it is looked
// up again by its client_id, and the slab that it was in stays until its batch is read.
//
// bench/results/2026-11-26-limiter has measurements.
package table
