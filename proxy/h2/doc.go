// Package h2 is HTTP/2 on connections to clients (RFC 9113): a Server serves a client's connection,
// and a Turn is one of the requests that come on it and the way back. Package message has what a
// request's fields become, and what fields become of a response.
//
// # A client's connection
//
// One goroutine reads it, within the wait for more (see package netconn). A parser cuts what comes
// into frames, wherever it was cut before, and keeps no more of one than its header and a few
// fields. So a connection that waits holds no buffer. The reader waits for nothing else, with one
// exception: what it has to say is written by others.
//
// A stream whose head has come whole becomes a request, which a runner has run in a goroutine. A
// stream that has to wait for its turn to run is small: the text of its head, and what has come of
// its body. A Turn, with its buffers and its Handler, is taken from a pool when it runs.
//
// Few streams run at a time while the processors have enough to do: a thousand that run at once
// have more memory in use than fits the processors' caches. Where backends are slow, as many run as
// there are (wave.go).
//
// The exception is a request without a body that comes alone, as those before it did. The reader
// serves that itself, since to wake another goroutine costs more than all the rest (lone.go). If it
// takes longer than some 10 ms, lacks window, or something has come right behind it, another
// goroutine reads.
//
// A client may have MaxStreams streams open. A stream that it has reset counts no more for it, but
// the exchange with the backend may still run: as many streams again may wait for the end of those
// (Limits.MaxStreams). So resets gain a client nothing.
//
// # Writing
//
// Frames are appended to one buffer. If nobody writes it, whoever appends does: it lets others that
// are ready append theirs first, and writes until there is nothing left. The buffer is bounded: who
// has data waits for room in it, or for the client's window, in the order of RFC 9218's priorities.
// So a window that is shut stops the reading from the backend.
//
// # What clients are held to
//
// Nothing has a timer of its own. The ticks of netconn's registry wake what has waited too long: a
// head that isn't whole, a body or a window without progress, an acknowledgement of SETTINGS, a
// connection without streams. Bodies are held to netconn's least rate, each stream by itself.
//
// What is allowed and of no use, such as resets, PINGs and empty frames, is counted by its weight,
// and forgiven in time and for what is of use. Past a bound the connection ends with
// ENHANCE_YOUR_CALM (oddity.go).
//
// # Fields
//
// Of package hpack only Huffman's code is used. Its Decoder makes a string of each name and value,
// so a request whose path and API key are new would cost some allocations: decoder.go keeps them
// all in one piece of memory. Its Encoder looks each field up in maps: package message knows those
// that come again and again by a hash. Tests hold both against package hpack's.
//
// # Its end
//
// A connection that is to end says GOAWAY twice: at first that no more requests shall be sent, and
// when the client has heard that, which one was the last (leave.go). It closes when all streams
// have ended.
package h2
