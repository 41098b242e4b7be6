package h2

import "net/netip"

// Settings are what a Server is made of.
type Settings struct {
	Limits
	// Contain is deferred where a request's head is read. It must recover from a panic, and has err
	// be the error that ReadHead returns.
	Contain func(err *error)
	// WantsClose reports whether a connection should end with the requests that it has. intake is
	// what Server.Serve was given with it. It is asked with each request, and when the connection
	// is woken.
	WantsClose func(intake any) bool
	// Drains reports whether the process is to end and still accepts connections. Connections that
	// want to close are then only told so, until Client.Leaves.
	Drains func() bool
	// Ended is called when a connection ends because of what its client did: by a connection error,
	// or because of too many oddities. It must not wait.
	Ended func(peer netip.Addr, why *Fault)
}

// Limits bound what clients may hold. See Server.Use.
type Limits struct {
	// MaxHeader bounds a request's head, in bytes of the text that is made of it. A longer one is
	// refused with 431.
	MaxHeader int
	// MaxStreams is how many streams a client may have open at a time on one connection
	// (SETTINGS_MAX_CONCURRENT_STREAMS). More are refused with REFUSED_STREAM.
	MaxStreams int
	// MaxRunning is how many requests may run at a time, over all connections; 0 doesn't bound
	// them. Others wait in their order, with no more than the text of their heads. While the
	// processors are busy, fewer run.
	MaxRunning int
	// StreamWindow is how many bytes of a request's body a client may send before any were read,
	// and ConnWindow how many on one connection. They are at most 1<<31 - 1, and ConnWindow at
	// least 65,535, which no client can be held below (RFC 9113, section 6.9.2).
	StreamWindow, ConnWindow int
}

// Handler serves the requests of one Turn, one after the other.
type Handler interface {
	// Begin is called when the request begins to run.
	Begin()
	// Handle serves the request. It must respond, or Cut the response.
	Handle()
}

// Stats is what a Server has done and is doing.
type Stats struct {
	// Connections are those that speak HTTP/2, Streams the requests that have come on them and
	// haven't ended, Running those that run; the others wait, for MaxRunning or until processors
	// are less busy.
	Connections, Streams, Running int64
	// MaxRunning bounds those that run; 0 doesn't.
	MaxRunning int64
	// Refused counts the streams that were refused since there were as many as there may be, and
	// Reset those that clients have reset.
	Refused, Reset int64
	// Oddities counts what clients did that is allowed and of no use, by its name. Calmed counts
	// the connections that ended because of too much of it (ENHANCE_YOUR_CALM), and Faulty those
	// that ended by another error of the client's.
	Oddities       map[string]int64
	Calmed, Faulty int64
}
