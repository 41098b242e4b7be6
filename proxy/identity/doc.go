// Package identity finds out who a client is: its address behind trusted proxies, what its
// certificate says, the client_id that limits count it under, and the id of its request. It works
// on requests that http1 has read, does no I/O and doesn't allocate while requests are served.
package identity
