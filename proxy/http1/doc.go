// Package http1 reads HTTP/1.0 and HTTP/1.1 messages (RFC 9112) as a proxy must: strictly, so that
// whoever reads what it let pass sees the same messages in it, and as they came, so that they can
// be passed on in their own spelling and order. It works on bytes that have arrived and does no
// I/O; what it returns aliases them.
//
// A head is read by Request.Parse or Answer.Parse, a body by Body.Decode. What is ambiguous is
// refused.
package http1
