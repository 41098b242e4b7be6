// Package api is the admin API: buckets, backends, status and health over REST.
//
// Writes are application/json, errors application/problem+json (RFC 9457). A member or parameter
// that is unknown, doubled, of the wrong type or out of range is 400 and changes nothing.
//
// Responses with a bucket have an ETag. It stands for what only operators change, and not for the
// tokens, which each request of the client changes: condition.go. With If-Match, a write goes
// through only if no other operator has written the bucket since. It is compared while no other
// write runs.
//
// If there is a token, every call except GET /healthz and GET /readyz needs it as a bearer token
// (RFC 6750). Without one the API serves only loopback listeners, and of all calls only those whose
// Host is a loopback name and whose Origin, if there is one, is the API's own. This keeps out a
// browser whose page forges requests, or has had its name rebound to 127.0.0.1.
package api
