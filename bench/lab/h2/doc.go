// Package h2 tests HTTP/2 from outside, on the real program: by h2spec, by the clients of others,
// by attacks, and by requests that mean something else once they are HTTP/1. It has tests only.
package h2
