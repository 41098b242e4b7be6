// Package acme gets the certificates of domains from an authority by ACME (RFC 8555), and renews
// them. certmagic does the protocol, and knows when a renewal is due. What is here gives it
// storage, has it do one thing at a time over all processes on one store, and takes from it what
// handshakes need.
//
// # Certificates
//
// A Manager has a goroutine for each domain. It loads the domain's certificate from the store,
// where another process may have put a newer one, and publishes it to handshakes, which only read a
// map. Then it has certmagic obtain one if there is none, ask the authority when it should be
// renewed (ARI), and renew it if it is time, which is after two thirds of its life if the authority
// doesn't say. It does so every 10 minutes, and more often if the certificate's life is short.
// While the store or the authority is away, it tries again, ever more seldom, and the certificate
// that there is stays published. Over a change of settings the domains that stay keep their
// certificates.
//
// # Several processes
//
// Processes on one store take turns with a domain, by a lock that is in the store. In its turn a
// process loads what there is, and does all of the above: so it sees what others have obtained, and
// a certificate is ordered once. certmagic's own lock covers orders only. When to renew, which a
// process had asked the authority of the old certificate, could be stored with the new one that
// another process had obtained meanwhile, and that was ordered once more.
//
// A process that stands still for longer than its lock lives, 30 seconds, may order what another
// one orders, too. Both then use the one that was stored last, after their next look. That is a
// certificate more for each such pause in an order. Let's Encrypt allows 5 a week for the same
// domains.
//
// A process that is killed while it stores a renewed certificate may leave the new key beside the
// former certificate. The process that has the next turn finds that they don't match, and orders
// another one.
//
// An authority may suggest any time of a certificate's life for its renewal. If that comes right
// after the issue, the certificate is renewed right then, by whichever process looks first.
//
// # Challenges
//
// The authority checks a domain by a request on port 80 (HTTP-01) or by a handshake on port 443
// (TLS-ALPN-01). Answer and Proof know what to reply: from memory if this process asked, else
// from the store, since the authority may reach another process than the one that asked. Lookups in
// the store are few in a second, as anybody may provoke them. With a Hook, the domain is checked by
// a record in the DNS (DNS-01), and wildcards are possible.
//
// certmagic would listen on ports 80 and 443 itself where nobody else does. It is given a socket
// that is taken, so that it leaves the ports to the listeners of the configuration (plug.go).
package acme
