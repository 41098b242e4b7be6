package proxy

import (
	"crypto/tls"
	"errors"
	"net/netip"

	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/proxyproto"
)

// Listener is how the clients of a listener are served. It is immutable; the zero value serves them
// in clear.
type Listener struct {
	// TLS is that of the clients; nil: they speak in clear.
	TLS *certs.Listener
	// Clear keeps clients in clear from hosts that require certificates; nil: from none. Redirects
	// and the challenges of authorities aren't kept from them.
	Clear *certs.Clear
	// HTTP2 has clients speak HTTP/2: in clear, if they begin with it (RFC 9113, section 3.3), and
	// by TLS if they choose it of what TLS offers. One that isn't offered it any more is told to
	// leave.
	HTTP2 bool
	// RedirectTo is the port by https that requests in clear are redirected to; 0: they are served.
	// Those by which an authority checks a domain (ACME, HTTP-01) are served in any case.
	RedirectTo int
	// HSTS is the value of Strict-Transport-Security that responses by TLS have, in place of a
	// backend's; "": there is none.
	HSTS string
	// ProxyProtocol are the proxies in front that name the client of each connection in a PROXY
	// header. A connection from elsewhere, or without the header, is closed. Empty: connections
	// have no such header.
	ProxyProtocol identity.Networks
}

func (l *Listener) config() *tls.Config {
	if l.TLS == nil {
		return nil
	}
	return l.TLS.Config
}

// keeps reports whether a connection that arrived under a former one may bring a request for a
// host, by what TLS wants of its client now. secured is nil if it speaks in clear.
func (l *Listener) keeps(arrived *Listener, secured *netconn.Secured, host []byte) bool {
	switch {
	case l == arrived || l.TLS == nil:
		return true
	case secured == nil:
		return l.TLS.KeepsClear(host)
	}
	return l.TLS.Keeps(arrived.TLS, secured.Name, secured.Version, secured.Certificate != nil)
}

// preface is what a connection from a peer has to begin with; nil if that is nothing.
func (l *Listener) preface(peer netip.Addr) netconn.Preface {
	switch {
	case l.ProxyProtocol.IsEmpty():
		return nil
	case !l.ProxyProtocol.Contains(peer):
		return noPreface
	}
	return introduction
}

// introduction reads the header in which a proxy in front names its client.
func introduction(came []byte) (source netip.Addr, missing int, err error) {
	h, missing, err := proxyproto.Parse(came)
	return h.Source.Addr(), missing, err
}

var errStranger = errors.New("it is in none of the listener's networks for the PROXY protocol")

// noPreface refuses a peer whose PROXY header isn't believed. Nothing is read.
func noPreface([]byte) (source netip.Addr, missing int, err error) {
	return netip.Addr{}, 0, errStranger
}
