// Package gcra has the arithmetic of token buckets: how fast they refill, what they hold, and when
// they will be full. It is pure: it reads no clock and keeps no state.
//
// A bucket is one number, the theoretical arrival time (TAT) of the generic cell rate algorithm
// (ITU-T I.371): the moment at which the bucket will be full again. That is the arithmetic of a
// bucket that is refilled lazily, whenever somebody looks at it:
//
//	tokens(t) = min(capacity, tokens(t0) + (t - t0) * refill)
//
// One number can be changed by one compare-and-swap, which is what package table does.
package gcra
