// Package route finds the route of a request. It is pure: no I/O, nothing that changes after New,
// and no allocation while requests are served.
//
// A Table chooses the host first and never leaves it again: the exact one, else the longest suffix,
// else the routes without a host. Below a host it takes the longest path prefix that has a route
// whose methods and headers match. At one prefix a route with methods comes before one without,
// then one with more headers before one with fewer, then the earlier one.
//
// # Paths
//
// Prefixes are compared segment by segment with the path's normal form, each segment decoded once,
// so that /@me, /%40me and /x/../%40m%65 are one path. A backend gets the path as it came, though,
// and may read it otherwise: it may take %2F, %5C and \ for slashes, cut off what follows a ; in a
// segment, merge // before it resolves dot segments or after, and leave .. where it stands. It may
// take these steps in any order, which matters: of /a%2Fb/../login%2Fx a backend that resolves dot
// segments and then decodes makes /login/x, one that decodes first makes /a/login/x. So each
// occurrence is read in each way, independently of the others (readings.go). If two readings choose
// different routes, or differ about an exemption, the path is ambiguous. All other paths pass,
// however they are spelled.
//
// What is left to backends: names in other cases, escapes that are decoded twice, paths that are
// cut at a decoded ?, # or NUL, and // and /./ that stay for good. The last two only ever lead to
// what the backend has for unknown paths below a shorter prefix.
package route
