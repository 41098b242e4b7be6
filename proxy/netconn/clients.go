package netconn

import (
	"iter"
	"time"
)

// ClientLimits are how long a client may keep us waiting. 0 is for ever.
type ClientLimits struct {
	// Header is from a request's first byte to the end of its header, and from the
	// connect to the first byte of the first request.
	Header time.Duration
	// Idle is from one request's end to the first byte of the next.
	Idle time.Duration
	// Read and Write are between bytes, of a request's body and of a response.
	Read, Write time.Duration
	// MinRate is the least rate of a body, both ways, in bytes a second; 0 is none. A client may
	// fall behind it by RateGrace.
	MinRate   int64
	RateGrace time.Duration
	// Connections is how many there may be, see AwaitRoom.
	Connections int
	// Pipes is how many responses may be spliced at once, at two descriptors each; 0 is any number.
	Pipes int
}

// Clients are the connections of clients.
type Clients struct {
	*Registry
	room
	stopping
	limits ClientLimits
	pipes  pipes
	rests  rests
}

// NewClients makes a registry for the connections of clients.
func NewClients(limits ClientLimits) *Clients {
	return &Clients{
		Registry: newRegistry(limits.Header, limits.Idle, limits.Read, limits.Write, limits.RateGrace),
		room:     room{max: limits.Connections},
		stopping: stopping{changed: make(chan struct{}, 1)},
		limits:   limits,
		pipes:    pipes{max: int64(limits.Pipes)},
	}
}

// each goes through the clients. The caller holds the registry's mu.
func (all *Clients) each() iter.Seq[*Client] {
	return func(yield func(*Client) bool) {
		for conn := range all.conns {
			if !yield(conn.owner.(*Client)) {
				return
			}
		}
	}
}
