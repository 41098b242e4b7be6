// Package rewrite makes the heads that go on: of a request to a backend, of a response to a client,
// and of our own responses. It is pure. It strips what concerns a connection or what a client may
// not say about itself, and adds what the proxy says. requestkind.go and responsekind.go sort the
// fields.
//
// X-Forwarded-Port is the port of the host that the request is for, or the scheme's default. The
// listener's port would be one that clients can't use where another one is mapped to it.
//
// Via is written only if it was asked for, because servers take it as a reason not to compress. Our
// name in it has a suffix of the process, so that two proxies in a row with the same configuration
// are no loop. It goes into requests only: RFC 9110, section 7.6.3, asks no more of a gateway.
package rewrite
