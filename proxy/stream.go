package proxy

import (
	"net/netip"
	"time"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/h2"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// Stream is one request of a client's and the way back: *h1.Turn or *h2.Turn. One goroutine may use
// it, and another one read the body.
type Stream interface {
	incoming
	outgoing
	line
}

// incoming is the request as it comes in.
type incoming interface {
	// ReadHead reads the head. With an error it returns what could be read of it, nil if that is
	// nothing. The error is a *http1.Refusal, a *outcome.Failure or what reading failed with.
	ReadHead() (*http1.Request, error)
	source
}

// outgoing is the response as it goes out.
type outgoing interface {
	// Inform sends an interim response, if the client knows such.
	Inform(h *rewrite.Response) (sent bool, err error)
	// Respond sends the head of a final response, or of a 101, and the first part of its body.
	// WriteBody sends another part. The head must stay as it is until the response has ended.
	Respond(h *rewrite.Response, first []byte, last bool, trailers []http1.Field) error
	WriteBody(p h1.Piece) error
	// Reply sends a response of our own.
	Reply(own *rewrite.Reply) error
	// Begun reports whether a part of a response has left. Nothing else may be sent in its place.
	Begun() bool
	// Sent is how many bytes of the response's body have left. Passed adds those that were sent by
	// the Link itself.
	Sent() int64
	Passed(n int64)
	// Cut ends the response before its end, so that the client can tell.
	Cut()
}

// line is the client's connection, as far as the stream has a say in it.
type line interface {
	// Peer is the address of who connected, unmapped; the zero Addr if it isn't an IP address.
	Peer() netip.Addr
	// Waited is for how long the request has waited since it came, before it could run.
	Waited() time.Duration
	// Intake is the *arrival of the connection.
	Intake() any
	// Secured is what TLS agreed on with the client; nil if it speaks in clear.
	Secured() *netconn.Secured
	// Awaiter is who waits for the response, and may leave meanwhile. Its Ended reports whether the
	// client sends no more.
	Awaiter() *netconn.Awaiter
	// Link is the connection if the stream has it for itself, else nil. Behind is what came on it
	// behind the request, and Lighten gives up all other memory: nothing more can be read or sent
	// over the stream.
	Link() *h1.Link
	Behind() []byte
	Lighten()
	// Admitted notes that the request can spend no token any more, Lasts that the response may go
	// on for days.
	Admitted()
	Lasts()
	// WasCut reports whether we ended the connection.
	WasCut() bool
	// Abort has the stream end by a reset, and its connection if it has that for itself.
	Abort()
}

var (
	_ Stream = (*h1.Turn)(nil)
	_ Stream = (*h2.Turn)(nil)
)
