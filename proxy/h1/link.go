package h1

import (
	"net/netip"
	"time"

	"gopher-equalizer/proxy/netconn"
)

// Link is a client's connection that a stream has for itself.
type Link = netconn.Client

// line is the client's connection as a Turn shows it; client is nil between two requests.
type line struct{ client *Link }

// Link is the client's connection.
func (l *line) Link() *Link { return l.client }

// Peer is the address of who connected, unmapped; the zero Addr if it isn't an IP address.
func (l *line) Peer() netip.Addr { return l.client.Peer() }

// Admitted notes that the request can spend no token any more, Lasts that the response may go on
// for days.
func (l *line) Admitted() { l.client.Admitted() }
func (l *line) Lasts()    { l.client.Lasts() }

// Ended reports whether the client sends no more, and WasCut whether we ended the connection.
func (l *line) Ended() bool  { return l.client.Ended() }
func (l *line) WasCut() bool { return l.client.WasCut() }

// Soon is the moment that is so far from now, for AwaitBodyUntil.
func (l *line) Soon(d time.Duration) int64 { return l.client.Soon(d) }

// Interrupt has the reading and writing that runs now fail with netconn.ErrInterrupted, and all
// that begins later, until Resume.
func (l *line) Interrupt() { l.client.Interrupt() }
func (l *line) Resume()    { l.client.Resume() }

// Abort has the connection end by a reset.
func (l *line) Abort() { l.client.Abort() }
