// Package strict reads HTTP/1.1 messages (RFC 9112) as a suspicious origin server would: what could
// be read in two ways is an error, and never repaired. Only ReadReceived reads responses as a
// recipient may. The package is written from the RFCs and shares no code with the proxy, so that
// the two can be compared.
package strict
