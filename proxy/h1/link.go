package h1

import (
	"net/netip"
	"time"

	"gopher-equalizer/proxy/netconn"
)

// Link is a client's connection that a stream has for itself.
type Link = netconn.Client

// line is the client's connection as a Turn shows it, and what it came by; client is nil between
// two requests.
type line struct {
	client *Link
	intake any
}

// Link is the client's connection, and Awaiter who waits on it for the response.
func (l *line) Link() *Link               { return l.client }
func (l *line) Awaiter() *netconn.Awaiter { return l.client.Awaiter() }

// Peer is the address of who connected, unmapped; the zero Addr if it isn't an IP address.
func (l *line) Peer() netip.Addr { return l.client.Peer() }

// Intake is what Server.Serve was given with the connection.
func (l *line) Intake() any { return l.intake }

// Secured is what TLS agreed on with the client; nil if it speaks in clear.
func (l *line) Secured() *netconn.Secured { return l.client.Secured() }

// Admitted notes that the request can spend no token any more, Lasts that the response may go on
// for days.
func (l *line) Admitted() { l.client.Admitted() }
func (l *line) Lasts()    { l.client.Lasts() }

// WasCut reports whether we ended the connection.
func (l *line) WasCut() bool { return l.client.WasCut() }

// Soon is the moment that is so far from now, for AwaitBodyUntil.
func (l *line) Soon(d time.Duration) int64 { return l.client.Soon(d) }

// Interrupt makes the reading and writing that runs now fail with netconn.ErrInterrupted, and all
// that begins later, until Resume.
func (l *line) Interrupt() { l.client.Interrupt() }
func (l *line) Resume()    { l.client.Resume() }

// Abort has the connection end by a reset.
func (l *line) Abort() { l.client.Abort() }
