// Package h1 is HTTP/1 on connections: a Server serves a client's connection, a Turn is one of the
// requests that come on it and the way back, and an Exchange is a request and its response on a
// backend's connection. Framing, keep-alive and persistence live only here; http1 reads the bytes.
//
// # A client's connection
//
// One goroutine serves it. It holds no memory for requests while none has come; a Turn, with its
// buffers and its Handler, is taken from a pool when bytes come and goes back with the response. A
// request that has come whole, without a body, is answered from within the wait for it, so that the
// wait for the next one costs no further system call. Any other request leaves the wait first.
//
// The buffers of a Turn have the size of the largest header. So another bound (BoundHeads) is
// another pool, and a Turn of a former one isn't used again.
//
// # Bodies
//
// A body goes on as it comes. Its data lie in the middle of a buffer (see Room), so that what
// frames a piece is written around it and each piece is one write.
package h1
