//go:build linux

// Package play has a proxy between a client that sends the bytes of a case and a backend that
// notes, and reads strictly, what it gets. It sums up the outcome.
package play
