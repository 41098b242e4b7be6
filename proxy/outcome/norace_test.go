//go:build !race

package outcome

const mostAllocs = 0.1
