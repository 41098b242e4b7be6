package config

import "slices"

// Listener is an address that clients are accepted on, and how they are served there.
type Listener struct {
	// Listen is the address to accept on, as in Server.
	Listen string `toml:"listen" required:"true"`
	// TLS has clients speak TLS. A name gets its certificate of [ServerTLS].
	TLS bool `toml:"tls"`
	// Protocols are the versions of HTTP that clients may speak, the preferred one first:
	// ProtocolHTTP1, and ProtocolH2 by TLS or ProtocolH2C in clear. None stands for all that need
	// no word of the operator's: both by TLS, and HTTP/1.1 in clear.
	Protocols []string `toml:"protocols" else:"h2 and http/1.1 with tls, and http/1.1 without" enum:"h2,http/1.1,h2c"`
	// RedirectHTTPS has every request answered by a redirect to the same URL by https, except those
	// by which authorities check domains. RedirectPort is the port of these URLs; 0 is that of the
	// first listener with TLS, or 443.
	RedirectHTTPS bool `toml:"redirect_https"`
	RedirectPort  int  `toml:"redirect_port" else:"that of the first listener with tls" min:"1" max:"65535"`
	// HSTS is the value of Strict-Transport-Security in all responses; "" writes none.
	HSTS string `toml:"hsts"`
	// MinVersion is the least version of TLS; "" is that of [ServerTLS].
	MinVersion string `toml:"min_version" else:"that of tls" enum:"1.2,1.3"`
	// ClientAuth is whether clients are asked for a certificate, and ClientCA a file with the
	// authorities that it must be from.
	ClientAuth string `toml:"client_auth" default:"off" enum:"off,request,require"`
	ClientCA   string `toml:"client_ca" file:"certificate"`
	// ProxyProtocol has the addresses and networks of proxies in front that name the client of each
	// connection in a PROXY header. Connections from elsewhere are closed. Empty is no header.
	ProxyProtocol []string `toml:"proxy_protocol"`
}

// Protocols of a Listener.
const (
	ProtocolHTTP1 = "http/1.1" // what WebSockets need, and clients that know no other
	ProtocolH2    = "h2"       // HTTP/2, which clients choose in the handshake of TLS
	ProtocolH2C   = "h2c"      // HTTP/2 in clear, by clients that know beforehand
)

// protocolsInForce are the listener's, or those that it has without a word about them.
func (l Listener) protocolsInForce() []string {
	switch {
	case l.Protocols != nil:
		return l.Protocols
	case l.TLS:
		return []string{ProtocolH2, ProtocolHTTP1}
	}
	return []string{ProtocolHTTP1}
}

// HasHTTP2 reports whether clients may speak HTTP/2 on any listener.
func (c Config) HasHTTP2() bool {
	return slices.ContainsFunc(c.Listeners, Listener.HasHTTP2)
}

// HasHTTP2 reports whether clients may speak HTTP/2, by TLS or in clear.
func (l Listener) HasHTTP2() bool {
	return slices.ContainsFunc(l.protocolsInForce(), func(p string) bool { return p != ProtocolHTTP1 })
}

// asks reports whether clients are asked for a certificate, by a value of client_auth.
func asks(clientAuth string) bool { return clientAuth != "" && clientAuth != authOff }

// asksForCertificates reports whether any client is asked for a certificate.
func (c Config) asksForCertificates() bool {
	byHost := slices.ContainsFunc(c.TLS.Hosts, func(h TLSHost) bool { return asks(h.ClientAuth) })
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return l.TLS && (byHost || asks(l.ClientAuth)) })
}

// ServerTLS is what listeners with TLS have in common. Files are PEM, and are read at the start, at
// each reload and, by [Server.ReloadOnChange], when they change.
type ServerTLS struct {
	// MinVersion is the least version of TLS that clients may speak.
	MinVersion string `toml:"min_version" default:"1.2" enum:"1.2,1.3"`
	// KeepSessions keeps the keys of session tickets in the store, so that clients resume their
	// sessions after a restart, and at other processes with the same store.
	KeepSessions bool `toml:"keep_sessions"`
	// MaxHandshakes is how many handshakes compute at a time; 0 is one for each processor.
	MaxHandshakes int `toml:"max_handshakes" min:"1" max:"10000" or:"0 for one a processor"`
	// MaxClientHandshakes is how many handshakes of one address, or of one /64, may be under way; 0
	// is no bound. Others wait.
	MaxClientHandshakes int `toml:"max_client_handshakes" default:"100" min:"1" max:"1000000" or:"0 for no bound"`
	// Certificates are chosen from by the name that a client asks for.
	Certificates []Certificate `toml:"certificates"`
	// ACME issues certificates for names that no file is for.
	ACME ACME `toml:"acme"`
	// Hosts have terms of their own.
	Hosts []TLSHost `toml:"hosts"`
}

// Certificate is a certificate's files.
type Certificate struct {
	// Cert has the certificate and its chain, Key its key; "" stands for Cert.
	Cert string `toml:"cert" required:"true" file:"certificate"`
	Key  string `toml:"key" file:"certificate"`
	// Default is set for the one that is served for names that no certificate is for.
	Default bool `toml:"default"`
}

// TLSHost is what TLS asks of the clients of a host, on every listener with TLS. "" leaves a key to
// the listener.
type TLSHost struct {
	// Host is a name, or "*.NAME" for those below it, at any depth.
	Host string `toml:"host" required:"true"`
	// MinVersion, ClientAuth and ClientCA are as in [Listener].
	MinVersion string `toml:"min_version" else:"the listener's" enum:"1.2,1.3"`
	ClientAuth string `toml:"client_auth" else:"the listener's" enum:"off,request,require"`
	ClientCA   string `toml:"client_ca" file:"certificate"`
}

// defaultHTTPS is the port of https.
const defaultHTTPS = 443

// ListenersInForce returns the listeners of a Config that is valid. What they leave to others is
// filled in. Without any it is that of the server.
func (c Config) ListenersInForce() []Listener {
	if len(c.Listeners) == 0 {
		only := Listener{Listen: c.Server.Listen, MinVersion: c.TLS.MinVersion, ClientAuth: authOff}
		only.Protocols = only.protocolsInForce()
		return []Listener{only}
	}
	all := make([]Listener, len(c.Listeners))
	for i, l := range c.Listeners {
		if l.MinVersion == "" {
			l.MinVersion = c.TLS.MinVersion
		}
		if l.RedirectPort == 0 {
			l.RedirectPort = c.httpsPort()
		}
		l.Protocols = l.protocolsInForce()
		all[i] = l
	}
	return all
}

// httpsPort is the port of the first listener with TLS, or else that of https.
func (c Config) httpsPort() int {
	for _, l := range c.Listeners {
		if at, err := parseAddress(l.Listen, ""); err == nil && l.TLS && at.port != 0 {
			return at.port
		}
	}
	return defaultHTTPS
}

// ListenKey is the key of the address of the listener with this index.
func (c Config) ListenKey(i int) string {
	if len(c.Listeners) == 0 {
		return "server.listen"
	}
	return Element("listeners", i) + ".listen"
}

// HasTLS reports whether any listener has TLS.
func (c Config) HasTLS() bool {
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return l.TLS })
}
