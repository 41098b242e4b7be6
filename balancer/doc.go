// Package balancer decides which backend gets a request, and finds out which backends can take one.
//
// A backend gets requests if its operator wants it to, its probes succeed, and its requests do:
//
//	what the operator wants           what the probes found
//	State: ready, drain, maint        health: up or down, after rise and fall
//	              \                      /
//	             available = ready and up         what requests show: live
//	                        |                        |
//	                   those that aren't ejected by the pool's judge,
//	                   or all, if too few are left
//	                        |
//	       picker: a strategy's chooser over the candidates,
//	       which are the available backends; built anew when
//	       they change, swapped whole
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
// # Advice
//
// A backend may say in a field of its response to a probe that it wants a part of its weight, or no
// new requests (advice.go). That lowers its share, and never raises it. If all who are available
// want no requests, they get them all the same.
//
// # Strategies
//
// Each is a file with a chooser. It chooses by the client, by what was tried, and by what it finds
// in the backends: their weight, their places, their latency, their ticket. The picker then takes a
// place there, or, if there is none, at one of the others by weight. What a strategy remembers of a
// backend is in the Backend, so a change of the pool keeps it. docs/strategies.md has when to use
// which.
//
// A backup is available only if no other backend is. A slow start lowers the weight of a backend
// that has just become available. Picks look at the clock for that only meanwhile.
//
// # Places
//
// Each attempt has a place at a backend, and the end of its exchange, or of its tunnel, gives the
// place back. All requests and those in flight are one atomic word, so a full backend is passed
// over without a lock, and the bound is exact. What a full backend can't take is spread over the
// others by weight, with a turn apart from that of the first attempts, which stay exact.
//
// The end has the attempt's Result: how the backend broke it, the response's status, and how long
// its head took. That is all that strategies and health learn from the traffic.
//
// # The queue
//
// While no backend has a place, requests wait for one in the pool's queue (queue.go): by priority,
// and in the order in which they came. Nobody waits beside a place that is free: who has found none
// is counted first and looks once more, and who gives one back looks whether anybody is counted, so
// one of the two sees the other. Where nobody waits, that is one load.
//
// A place goes from the end of an attempt to the first one that waits, who picks with it as any
// request does. So do the places of a backend that recovers, or that a change adds. Who has waited
// too long, or has left, is found by one timer for all (queue_tick.go). A full queue refuses the
// last one of the lowest priority. A retry waits in front of all: its place went to another one.
//
// # Shares
//
// Settings.ClientShare bounds how many places one client holds at a backend, and in the queue. They
// are counted in a table of cache lines (shares.go) of 32 bytes a place. A take and its end are a
// compare-and-swap each. In the worst case, with each place held by another client, one in 900
// isn't counted.
//
// # Ejections
//
// The end of an attempt notes its Result in the backend's counters (live.go), without a lock. A
// success changes none of them. The pool's judge looks at them every second, and at once when a
// backend has failed often enough in a row. It ejects those that failed, or that are far worse than
// the others (outliers.go), never more than MaxPercent, and never the last one. The ejection ends
// with the first probe that succeeds after its time (ejection.go), which is longer each time. If
// too few backends are left, ejections don't count until there are enough again.
//
// # Retries
//
// Attempts never choose a backend twice while there is another one. A retry takes from the budget
// of the pool, two atomic words which the judge renews every second by what was asked in the last
// one. Requests that aren't retried don't touch it.
//
// # Changes
//
// A pool outlives its settings: Prepare makes what other settings need, Change.Probe probes what is
// new, and Change.Apply puts it in force at once. A backend is the same as long as its URL and its
// TLS are. It keeps its health, its counters, its places, its Prober and the rhythm of its probes.
// One that is left out gets no new request, and its Prober is retired.
//
// # Overrides
//
// An operator's Override of a backend's state or weight wins over the settings. It counts at once
// and is stored behind, so that a backend can be drained while the store is away. What is stored is
// one blob for all backends. Each write is at the revision that was read, so two processes don't
// undo each other's: the last to say something of a backend wins. Where processes share the store,
// Run reads it anew now and then. While what is stored can't be loaded, what is said is kept apart
// from what may be there, and meets it once it is.
//
// An override goes with its backend when a Change or Remove removes that, unless processes share
// the store: others may still have the backend, and want it drained. Others that are stored of
// backends which no pool here has stay: they may be another process's, or of a backend that comes
// back. Past 1000 of them the oldest are dropped.
package balancer
