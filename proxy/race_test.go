//go:build race

package proxy

// mostAllocs is what a request may cost under the race detector, whose sync.Pool drops a part of
// what it is given.
const mostAllocs = 8
