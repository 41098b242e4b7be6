// Package limiter gives every client a token bucket, keeps the buckets in memory, and
// writes them behind to a store.
//
// A bucket is one number, the theoretical arrival time of the generic cell rate algorithm
// (ITU-T I.371): the moment at which the bucket will be full again. That is the same
// arithmetic as a token bucket that is refilled lazily, whenever it is looked at, and it
// makes a Take one compare-and-swap.
//
//	tokens(t) = min(capacity, tokens(t0) + (t - t0) * refill)
package limiter
