//go:build linux

// Package play puts a proxy between a client that sends the bytes of a case and a backend that
// reads strictly what it gets, and notes it. It sums up the outcome.
package play
