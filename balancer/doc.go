// Package balancer decides which backend gets a request, and finds out which backends can take one.
//
// Two things are kept apart, and only both together make a backend fit:
//
//	what the operator wants           what the probes found
//	State: ready, drain, maint        health: up or down, after rise and fall
//	              \                      /
//	               fit = ready and up
//	                        |
//	        schedule: every fit backend, weight times,
//	        evenly spread; immutable, swapped whole
//	                        |
//	          Pick, PickOther: take a place at one, no lock, no allocation
//
// A draining backend gets no new requests but is still probed, so that it can come back
// at once; one in maintenance is left alone. Nothing is fit before its first probe: call
// Pool.Probe once, and then Pool.Run.
package balancer
