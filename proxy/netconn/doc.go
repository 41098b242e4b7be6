// Package netconn wraps the connections of a proxy, to its clients and to its backends, so that
// they time out without a timer or a deadline per request, and end in good order.
//
// A Registry keeps the connections of one side. Each Read and Write notes when it will be overdue,
// by a coarse clock; one goroutine looks at those notes a few times per timeout and wakes what is
// overdue by setting a deadline in the past. Waking is a hint: who is woken looks at the clock
// again, and goes on if it is not overdue after all. So a wake-up that comes too late, when the
// connection does something else already, harms nothing.
//
// A Registry of clients also knows how far each is with a request (stage.go), so that a stop waits
// for those alone that may still spend something, and bounds how many there are (room.go).
//
// A Dialer takes the addresses of a backend's name in turn (name.go, dial.go), and a connection to
// a backend knows until when it may be kept between two exchanges (keeping.go).
//
// # The trick
//
// Below the timeouts is a link, of one of two kinds. The plain one is an ordinary net.Conn. The raw
// one, on Linux, makes the system calls itself, and leaves the waiting to package net; the comment
// on raw says what that saves. Everything above is the same for both, and the plain one serves on
// other systems, and on 386, whose system calls differ.
//
// A Splice goes further in the same way: a body passes from a backend's socket to a client's within
// the kernel.
//
// # TLS
//
// A Conn is the same with TLS and without: a layer over the link, chosen when the connection is
// made. TLS stands above the timeouts, so that each piece of a record that arrives counts as
// progress and a Write goes on after a wake-up; to a tls.Conn, a Write that was cut short is the
// end. A Read that failed in time, or was interrupted, may be followed by another one: TLS is shown
// a temporary error in its place, and the caller the true one.
//
// A connection by TLS is always read the plain way. To read from within the callback of a RawConn,
// TLS would have to be driven without waiting, record by record, since its own Read calls
// RawConn.Read, which isn't reentrant. That would save one system call a request, which is little
// beside what the cryptography costs. So a request is served when the Read that brought it has
// returned, by the same loop and the same Handler; requests in one record are served from TLS's
// own buffer. Nothing by TLS is spliced.
//
// # Its hazards
//
// Whoever makes the calls must mind what package net would have. The tests named reproduce each
// over both kinds of link; they are in the files hazard_*_test.go.
//
//   - The poller tells of an arrival once, and RawConn.Read forgets what it told before. An end
//     that came in one packet with a request or an answer isn't told of again, so who waits must
//     first have found the socket empty after RawConn.Read began. All Reads do that end with their
//     wait; ask does by looking for what shouldn't be there (ErrStale), which it has to do anyway.
//     TestRequestAndEndInOnePacket, TestAnswerAndEndInOnePacket.
//   - For the same reason, what a small buffer left behind isn't told of again.
//     TestShortReadThenWait.
//   - Requests are answered from within a RawConn.Read that then goes on, and so forgets nothing.
//     That needs no look at the socket if the last read took all that was there, which is when it
//     didn't fill its buffer; all but an end in the same packet, for which a registry looks once a
//     wait, so that it shows up to half a second late. What wakes a connection, or has it close or
//     be cut, may come while it answers. TestRequestWhileAnother, TestEndWhileAnswering,
//     TestRequestAndEndBeforeAnswering, TestMoreThanWasLent, TestWokenWhileAnswering,
//     TestIdleAfterAnswering, TestCloseIdleWhileAnswering, TestCutWhileAnswering.
//   - The system may take a part of a write. The rest goes through package net, which waits, and
//     ask says how much it sent. TestPartialWrites, TestPartialAsk.
//   - A wake-up ends RawConn.Read between its callbacks, when a request may have left already, and
//     one meant for a Write may hit the next. Each call says what it did, and who goes on does so
//     from there. TestWokenInTheMidstOfAsk, TestWokenBeforeAsk.
//   - Close comes while another goroutine reads or writes. It ends their wait, and itself waits for
//     callbacks, which wait for nothing, but those that answer: so a client's connection is closed
//     by who serves it, and others shut it down. TestCloseWhileWaiting, TestCutWhileWaiting.
//   - A peer never reads. A write waits only where a registry can wake it. TestPeerThatNeverReads,
//     TestTunnelToClientThatNeverReads.
//   - A client closes its half, and still reads. An end is not a failure, and peer tells it from a
//     reset without taking a byte. TestHalfClosedClient, TestHalfClosedTunnel, TestPresence.
//   - A descriptor's number belongs to another connection once this one is closed. System calls are
//     made only while RawConn holds the descriptor. TestDescriptorGivenToAnother.
//   - Clients come and go by the ten thousand, in every way. No descriptor and no goroutine stays.
//     TestConnectsAndDisconnects.
package netconn
