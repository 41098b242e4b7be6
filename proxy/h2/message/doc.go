// Package message maps the field lists of HTTP/2 to HTTP/1 messages and back (RFC 9113, section 8).
// It does no I/O.
//
// # Requests
//
// A Head takes the fields as they are decoded, checks what HTTP/2 demands of them, and only then
// writes them as the head of an HTTP/1.1 request, which http1.Request.Parse reads. So both versions
// have one set of rules, and nothing in a field can become a line, a field or a request of its own:
// whatever could is gone before the first byte is written. Trailers does the same with the fields
// behind a body.
//
// What breaks HTTP/2's own rules is a *Malformed: its stream ends with PROTOCOL_ERROR. What breaks
// HTTP/1's or is over a bound is a *http1.Refusal, and is answered.
//
// The client that sends both Host and :authority must mean the same by them; in HTTP/1's absolute
// form, where RFC 9112 says so, the target counts. :scheme must be http or https and is not used:
// whether a client came by TLS is known from its connection.
//
// # Responses
//
// Responses encodes the heads that package rewrite writes, and trailers. They are well-formed by
// then, so that nothing is checked. A value that may be a secret, or that hardly comes again, isn't
// indexed. Of the others, one is when it comes for the second time: it is copied then, and encoding
// the next ones allocates nothing.
package message
