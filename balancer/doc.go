// Package balancer decides which backend gets a request, and finds out which backends can take one.
//
// A backend gets requests if its operator wants it to and its probes succeed:
//
//	what the operator wants           what the probes found
//	State: ready, drain, maint        health: up or down, after rise and fall
//	              \                      /
//	             available = ready and up
//	                        |
//	       picker: the strategy over the available backends,
//	       built anew when they change, swapped whole
//	                        |
//	       Attempts: those of one request, each at another
//	       backend; no lock, no allocation
//	                        |
//	       Attempt: a place at a backend, until its End
//
// A draining backend gets no new requests but is still probed, so that it can come back at once. A
// backend in maintenance is left alone. None is available before its first probe: call Pool.Probe
// once, and then Pool.Run.
//
// # Places
//
// Each attempt has a place at a backend, and the end of its exchange, or of its tunnel, gives the
// place back. All requests and those in flight are one atomic word, so a full backend is passed
// over without a lock, and the bound is exact. What a full backend can't take is spread over the
// others by weight, with a turn apart from that of the first attempts, which stay exact.
//
// # Shares
//
// Settings.ClientShare bounds how many places one client holds at a backend. They are counted in a
// table of cache lines (shares.go) of 32 bytes a place. A take and its end are a compare-and-swap
// each. In the worst case, with each place held by another client, one in 900 isn't counted.
package balancer
