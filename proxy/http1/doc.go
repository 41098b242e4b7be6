// Package http1 reads HTTP/1.0 and HTTP/1.1 messages (RFC 9112) as a proxy must: strictly, so that
// whoever reads what it let pass sees the same messages in it, and as they came, so that they can
// be passed on in their own spelling and order. It works on bytes that have arrived and does no
// I/O; what it returns aliases them.
//
// A head is read by Request.Parse or Response.Parse, in one pass, and a body by Body.Decode.
//
// # Requests
//
// Where two readers could see two messages, it is 400. A target with another scheme, such as
// ftp://a/, is 501, as an unknown way to forward.
//
// The host that a request is for is decided once: the authority of an absolute target, otherwise
// Host, without the colon of an empty port. Everything else reads Request.Host.
//
// # Responses
//
// A response is read as strictly as safety needs. Its head and its body are framed anew for the
// client, so a form that all readers read alike is mended: see Mended. Anything else is refused.
//
// A bare LF may end lines, but a chunk's data only if the line with its size ended so. Otherwise a
// size that is too large by one would take the CR of the chunk's end for data. The connection isn't
// used again if some lines of a head, interim or final, or around the chunks of a body end in CRLF
// and others in a bare LF: a client may have put the LF into a value, so that what follows is taken
// for the next response.
package http1
