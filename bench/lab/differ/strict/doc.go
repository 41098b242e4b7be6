// Package strict reads HTTP/1.1 messages (RFC 9112) as a suspicious origin server would: what could
// be read in two ways is an error, never repaired. ReadReceived alone reads responses as a
// recipient may. It is written from the RFCs and shares no code with the proxy, so that the two can
// be held against each other.
package strict
