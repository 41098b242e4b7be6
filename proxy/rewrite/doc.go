// Package rewrite makes the heads that go on: of a client's request to a backend, and of the
// backend's response to the client. What concerns one connection only is left out and written anew,
// and so is what a client could forge. All else passes as it came. The package works on messages
// that http1 has read, does no I/O and doesn't allocate while requests are served.
package rewrite
