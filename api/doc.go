// Package api is the admin API: buckets, backends, the configuration, status and health over REST.
//
// Writes are application/json, errors application/problem+json (RFC 9457). A member or parameter
// that is unknown, doubled, of the wrong type or out of range is 400 and changes nothing.
//
// A request is served by the settings and sources that were in force when it began: Configure swaps
// them whole, so a reload holds for the next request, also on a connection that is open.
//
// Responses with a bucket have an ETag. It stands for what only operators change, and not for the
// tokens, which each request of the client changes: condition.go. With If-Match, a write goes
// through only if no other operator has written the bucket since. It is compared while no other
// write runs.
//
// GET / is a page that shows all this live (package page). It reads GET /events: a sample a second,
// as what has changed since the one before (sampler.go, package live).
//
// If there is a token, every call except GET /healthz, GET /readyz and the page's files needs it as
// a bearer token (RFC 6750). With the read token callers may only GET. Without any the API serves
// only loopback listeners and unix sockets, and of all calls only those whose Host is a loopback
// name and whose Origin, if there is one, is the API's own. This keeps out a browser whose page
// forges requests, or has had its name rebound to 127.0.0.1.
//
// Listeners that other machines reach also want TLS, or Settings.Insecure. Connections get the TLS
// that is in force when they are accepted: secure.go.
package api
