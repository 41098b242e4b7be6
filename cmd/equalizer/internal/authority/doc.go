// Package authority has an authority for certificates of this machine alone, by which the demo
// speaks TLS. It is made once and kept in a folder, so that it is trusted once.
//
// Whoever has its key can pose as localhost to those who trust it, and as nothing else: the
// authority is constrained to localhost and to loopback addresses.
package authority
