// Package netconn wraps a proxy's connections, to its clients and to its backends, so that they
// time out without a timer or a deadline for each request, and end in good order.
//
// # Conn
//
// A Client and a Backend embed the same Conn. It has three parts:
//
//	layer       what Read and Write go through: cleartext, or TLS
//	the times   when a Read or a Write is overdue
//	link        the socket: plain, by package net, or raw, by system calls of our own
//
// A reader decides how long a Read may take: the Client, by the part of a request that it expects;
// the Backend, by the part of the response; or one direction of a Tunnel.
//
// # Connections without deadlines
//
// A Registry keeps the connections of one side. Each Read and Write notes when it is overdue, by a
// coarse clock. One goroutine ticks a few times per timeout, moves the clock, and wakes what is
// overdue by setting a deadline in the past. A wake-up is only a hint: whoever is woken looks at
// the clock again, and goes on unless it is overdue. So a wake-up that comes late, when the
// connection already does something else, does no harm.
//
// The same ticks serve three more purposes. If a client has reset its connection while its response
// is awaited, the Read from the backend fails with ErrAbandoned, as it does at once if a client has
// reset only the request (Awaiter.Leave). A client that has only ended its side behind a whole
// request gets its response, since it may still read. A connection that has waited long for another
// request, some 2 s by default, goes on in a new goroutine with a small stack. And an end that a
// Read may have missed is found: see the hazards.
//
// # A least rate
//
// A pace holds a client to a least rate, in each direction of a body. What a client is behind is
// the time for which it was waited for, by the coarse clock, less the time that the bytes which
// passed take at that rate. Past the grace, the Read or the Write fails with ErrTooSlow. What a
// client does beyond the rate counts for a pause as long, up to the grace.
//
// An upload is waited for while a Read of the body waits, but only until the response begins: after
// that perhaps nobody wants the rest. While the backend doesn't take what was read, no Read waits.
// A download is waited for while a Write waits, which is while the client's socket is full. Bytes
// that the system takes at once make up for what the client is behind but don't put it ahead,
// since a large send buffer would earn it much. So an idle stream owes nothing, and the rate costs
// two loads of the clock. It doesn't bound clients that come again and again.
//
// # Requests
//
// Client.Serve is the one loop that serves a client's requests. Within the wait for a request it
// calls Handler.Arrived, which serves what is complete; most requests are. The handler's Verdict
// says what comes next: wait for the next request; ignore what came, which was no request; attend
// to a request outside of the wait, where more of it can be read; or end the connection. A
// connection that waits holds no buffer: the handler lends one when bytes have come.
//
// A client that sends several requests at a time is served by a Several. Its connection is read
// within the same wait all the while, and the requests run elsewhere. One of them may also run in
// Attend, as long as another goroutine reads on once that takes long (Client.GoOn). A Several says
// by Stands what the requests are up to together, and has its own timeouts, at each tick. Who waits
// for a backend's response is an Awaiter, of a connection or of one of its requests.
//
// A connection may have to begin with a Preface, in which a proxy in front names its client. It is
// read before anything else, by the goroutine of the connection, and not a byte more than it has.
// So the socket is left to the link, and to TLS, as if the preface had never been there.
//
// A Clients registry knows the stage of each client (stage.go). So a stop waits only for those
// whose request isn't admitted yet and may still spend a token, and closes those that wait for a
// request. It also bounds how many clients there are (room.go): while somebody waits for room, the
// connections that have waited longest for a request are closed, a 64th of them at once.
//
// Close is orderly unless something was left unread. Then it ends our side, and drops what the
// client still sends until it ends its own: to close at once would reset the connection, and the
// client could lose the response.
//
// # Backends
//
// A Dialer connects to backends. It looks a name up at the first dial, and again by a dial that
// finds the addresses older than 10 s and doesn't wait for the result, or that reaches none of
// them; after a failure once a second. Dials take the addresses in turn. An address that fails is
// left out for 10 s. The next one is tried at once then, or beside the first after a head start of
// 250 ms. If a lookup fails, the last addresses serve. Connections to addresses that are gone are
// closed, those in use after their exchange (name.go, race.go).
//
// A connection is kept between exchanges until a second before the end that the backend announced,
// and for its age in all (keeping.go). Before it is used again, a read that doesn't wait shows
// whether it went stale: closed by the backend, or with bytes that nobody asked for.
//
// # Links
//
// The plain link is an ordinary net.Conn. The raw one, on Linux but not on 386, whose system calls
// differ, makes its own system calls and leaves only the waiting to package net. It sends a request
// to a backend from within the call that waits for the response, and serves a client from within
// the call that waits for the next request, which saves a read in vain each time. Everything above
// is the same for both.
//
// A Splice moves the rest of a large body of known size from a backend's socket to a client's
// through a pipe, within the kernel.
//
// # TLS
//
// TLS stands above the times. So each piece of a record counts as progress when it arrives, and a
// Write goes on after a wake-up; a tls.Conn whose Write was cut short would be broken. A Read that
// failed in time, or was interrupted, may be followed by another: TLS is shown a temporary error,
// and the caller gets the true one.
//
// Stale and HasMore have to read through TLS, without waiting, since bytes on the network may be
// only a session ticket, and the closing alert may have been read with the last bytes. An end
// without the alert is an error of its own, not io.EOF. Close sends the alert, except after Abort:
// a response that is cut must not look complete.
//
// A system call costs more than the cryptography of a record, so the records of one Write are
// gathered and sent at once (gather.go).
//
// TLS's buffer for what comes in never shrinks. So that it doesn't grow beyond one record, large
// ones are read one by one (records.go). After a handshake and in a long wait, it is given up
// (slim.go).
//
// A handshake that fails ends in good order, too. In TLS 1.3 a client may already have sent a
// request when its certificate is refused, and a reset because of that would take the alert away.
//
// Handshakes are bounded in two ways (turns.go): how many of one address may have begun, and how
// many compute at a time, which each does from when a Read has brought something until its next
// Read. So a client that is silent in its handshake keeps only its own address waiting.
//
// Requests by TLS are served by the same loop and the same Handler, and from within the call that
// waits for the next one, too. There, the link reads what came, and TLS opens it from memory
// (sealed.go). TLS's own Read would call that of the link, and RawConn.Read isn't reentrant. A
// goroutine that waits in it also needs twice the stack, since it has many callers. Several
// requests that came in one record are served from TLS's buffer. Nothing by TLS is spliced.
//
// # Limits that change
//
// Clients.Use replaces the limits of clients while they are connected. Each wait for a request, and
// each request, adopts the limits of its beginning (Client.adopt), which costs two loads where
// nothing has changed. So what has begun isn't cut short, and a connection that is kept needs no
// notice. The tick follows the new limits at once.
//
// # Hazards
//
// A raw link must take care of what package net would have. The tests named here reproduce each
// hazard over both kinds of link; they are in hazard_*_test.go.
//
//   - The poller reports an arrival once, and RawConn.Read forgets what was reported before. An end
//     that came in one packet with a request or a response isn't reported again, so a Read that
//     waits must first have found the socket empty after RawConn.Read began. All Reads do that if
//     they end with their wait. ask looks for what shouldn't be there (ErrStale), which it has to
//     do anyway. TestRequestAndEndInOnePacket, TestResponseAndEndInOnePacket.
//   - For the same reason, bytes that a small buffer left behind aren't reported again.
//     TestShortReadThenWait.
//   - Requests are served from within a RawConn.Read that goes on afterwards, and so forgets
//     nothing. It needs no look at the socket if the last read took all that was there, that is, if
//     it didn't fill its buffer. Only an end in the same packet is missed. A registry looks for one
//     once a wait, so it may be noticed half a second late. A wake-up, a close or a cut may come
//     while a request is served. TestRequestWhileAnother, TestEndWhileServing,
//     TestRequestAndEndBeforeServing, TestMoreThanWasLent, TestWokenWhileServing,
//     TestIdleAfterServing, TestCloseIdleWhileServing, TestCutWhileServing.
//   - The system may take a part of a write. The rest goes through package net, which waits, and
//     ask returns how much it sent. TestPartialWrites, TestPartialAsk.
//   - A wake-up ends RawConn.Read between its callbacks, when a request may already have left, and
//     one that was meant for a Write may hit the next Write. Each call returns what it did, and its
//     caller goes on from there. TestWokenInTheMidstOfAsk, TestWokenBeforeAsk.
//   - Close comes while another goroutine reads or writes. It ends their wait, but itself waits for
//     callbacks. Callbacks don't block, except those that serve a client. So a client's connection
//     is closed by the goroutine that serves it, and others only shut it down.
//     TestCloseWhileWaiting, TestCutWhileWaiting.
//   - A peer never reads. A Write waits only where a registry can wake it. TestPeerThatNeverReads,
//     TestTunnelToClientThatNeverReads.
//   - A client ends its side, and still reads. An end is not a failure. peer tells it from a reset
//     without taking a byte. TestHalfClosedClient, TestHalfClosedTunnel, TestPresence.
//   - A descriptor's number belongs to another connection once this one is closed. System calls are
//     made only while RawConn holds the descriptor. TestDescriptorGivenToAnother.
//   - Clients come and go by the ten thousand, in every way. No descriptor and no goroutine stays.
//     TestConnectsAndDisconnects.
package netconn
