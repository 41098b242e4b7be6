// Package api is the admin API: buckets, backends, status and health over REST.
//
// Writes say application/json; errors are application/problem+json (RFC 9457). What is
// unknown, doubled, of the wrong type or out of range is 400 and changes nothing.
//
// With a token, every call but GET /healthz and GET /readyz wants it as a bearer token
// (RFC 6750). Without one the API serves loopback listeners only, and only requests whose
// Host is a loopback name and that carry no Origin, those two calls included: so a browser is kept
// out that was rebound to 127.0.0.1, or whose page forges requests.
package api
