// Package proxyproto reads the header of the PROXY protocol, versions 1 and 2, in which a proxy in
// front says whose connection it passes on. It does no I/O. The protocol is described in HAProxy's
// proxy-protocol.txt; the sections named here are that text's.
//
// The header stands before everything else on a connection, TLS included, and nothing marks its end
// for others. So Parse says how many bytes are certain to belong to it, and a reader that takes no
// more than those leaves the first byte behind the header where it is.
//
// Anybody can write a header. Whether its sender is to be believed isn't decided here.
package proxyproto
