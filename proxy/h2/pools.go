package h2

import (
	"sync"

	"gopher-equalizer/proxy/h2/message"
	"gopher-equalizer/proxy/netconn"
)

// What connections and streams use for a time.
var (
	// memory is what streams hold while they wait: the texts of their heads, and what has come of
	// their bodies.
	memory netconn.Memory

	streams      = sync.Pool{New: func() any { return new(stream) }}
	chunks       = sync.Pool{New: func() any { return new(chunk) }}
	headsPool    = sync.Pool{New: func() any { return new(message.Head) }}
	trailersPool = sync.Pool{New: func() any { return new(message.Trailers) }}
)
