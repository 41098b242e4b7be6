// Package meter counts what all processors do at the same time, without a cache line that two of
// them write. It allocates when something is counted for the first time, and not after that. It
// tells no time and keeps no names: those are its callers'.
package meter
