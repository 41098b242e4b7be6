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
package balancer
