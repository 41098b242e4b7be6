//go:build race

package outcome

// mostAllocs is what a line may cost under the race detector, whose sync.Pool drops a part of what
// it is given.
const mostAllocs = 16
