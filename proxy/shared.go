package proxy

import (
	"hash/maphash"
	"sync/atomic"

	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// shared is what all requests of a proxy use.
type shared struct {
	snapshot atomic.Pointer[Snapshot]
	record   *outcome.Recorder
	buffers  netconn.Buffers
	// seed is what clients are hashed with for their share of a backend's connections.
	seed maphash.Seed
}
