// Package proxy is the data path: it accepts connections, admits requests, forwards each to a
// backend and relays the response.
//
// # The pipeline
//
// A request is a Stream on a client's side: h1.Turn. Its steps (pipeline.go) are functions that
// return an error: read, admit, forward, relay. An error is an *outcome.Failure or an
// *http1.Refusal, and finish alone answers it, counts and logs. A request reads one Snapshot at its
// beginning, which has all the settings that it is served by.
//
// # A backend's connection
//
// A fasthttp HostClient for each backend hands out connections and takes them back (backends.go).
// What goes over them is written and read by an exchange. fasthttp's Server doesn't read requests:
// it answers Expect itself, drops trailers, accepts what must be refused, and can't relay while it
// reads.
//
// A body is relayed as it arrives. One that didn't arrive with its head is sent by a second
// goroutine while the response is awaited and relayed (upload.go). So both directions flow at once,
// an early response is heard, and a 100 comes from the backend itself.
//
// A connection goes back to its HostClient only if all of this holds: the response was fully framed
// and nothing came behind it, the request was sent to its end, neither side wants to close, and it
// was not upgraded. Before it is used again it is checked. One that has closed, or on which
// something arrived, is dropped, and no request notices.
//
// # Retries
//
// A request that breaks before a byte of the response arrived is sent to another backend if nothing
// was sent, or if the method is idempotent and there is no body. This package decides whether
// another attempt could do harm (exchange.mayRetry); everything else is up to balancer.Attempts.
//
// # Probes
//
// Probes use the dialer, the reader and the bounds of requests (probe.go). A response that would be
// a 502 is an unhealthy backend, and GET /backends says why.
package proxy
