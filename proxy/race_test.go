//go:build race

package proxy

// mostAllocs is what a request may cost under the race detector, whose sync.Pool drops a part of
// what it is given, and which keeps iterators from being inlined.
const mostAllocs = 16
