// Package certs has the certificates and the TLS of clients' connections: which certificate a
// client gets, by the name that it asks for; what a client must show; and the keys of the sessions
// that it may resume.
//
// # Certificates
//
// A Store has a Set in force, and a Set is immutable. A client that names a host (SNI) gets the
// certificate of exactly that name, else one with a wildcard in place of the first label, else the
// default. Without a default it gets the alert unrecognized_name. A client that names none gets the
// default, or else the first. Of several certificates for a name, a client gets the first of a kind
// that it knows, so that an ECDSA and an RSA one may stand side by side.
//
// A Set is swapped behind Config.GetCertificate, and the tls.Config stays. So sessions are resumed
// over a change of certificates.
package certs
