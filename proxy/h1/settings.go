package h1

// Settings are what a Server is made of.
type Settings struct {
	// MaxHeader bounds a request's head, in bytes. A longer one is refused with 431, or with 414 if
	// the request line alone is longer. See Server.BoundHeads.
	MaxHeader int
	// Contain is deferred where a request's head is read before its Handler is called. It must
	// recover from a panic, and set err to the error that ReadHead returns.
	Contain func(err *error)
	// WantsClose reports whether connections should end with their request.
	WantsClose func() bool
}

// Handler serves the requests of one Turn, one after the other.
type Handler interface {
	// Begin is called when the first bytes of a request are here.
	Begin()
	// Handle serves the request. It must respond, or have the connection end by Last.
	Handle()
}
