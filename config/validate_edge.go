package config

import (
	"slices"
	"strconv"
	"strings"

	"gopher-equalizer/proxy/identity"
)

// authOff asks clients for no certificate.
const authOff = "off"

// edge checks the listeners one by one, and what their TLS has in common.
func (r *report) edge(c Config) {
	if len(c.Listeners) > 0 && r.given("server.listen") {
		r.add("server.listen", "means nothing with [[listeners]], which have addresses of their own; want one or the other")
	}
	for i, l := range c.Listeners {
		r.listener(Element("listeners", i), l)
	}
	r.certificates(c)
	r.acme(c)
	for i, h := range c.TLS.Hosts {
		key := Element("tls.hosts", i)
		r.tlsHost(key+".host", h.Host)
		r.clientCA(key, h.ClientAuth, h.ClientCA)
		if slices.ContainsFunc(c.TLS.Hosts[:i], func(o TLSHost) bool { return strings.EqualFold(o.Host, h.Host) }) {
			r.add(key+".host", "%s has terms above already; want them in one place", show(h.Host))
		}
	}
	r.keptSessions(c)
}

// keptSessions checks that the keys of sessions outlive the process, and that nobody else reads
// them.
func (r *report) keptSessions(c Config) {
	const key = "tls.keep_sessions"
	if !c.TLS.KeepSessions {
		return
	}
	if c.Store.Driver == StoreMemory {
		r.add(key, "true with driver = \"memory\", which forgets everything at every start; want bolt or postgres, or false")
	}
	r.sealed(key, "the keys of sessions", "false", c.Store)
}

func (r *report) listener(key string, l Listener) {
	if l.Listen == "" {
		r.add(key, "has no address; want listen = HOST:PORT or :PORT, such as \":443\"")
		return
	}
	r.listen(key+".listen", l.Listen)
	for i, network := range l.ProxyProtocol {
		_, err := identity.ParseNetworks("unexpected network", []string{network})
		r.parses(Element(key+".proxy_protocol", i), err)
	}
	r.protocols(key+".protocols", l)
	if !l.TLS {
		r.needsTLS(key, l)
	} else {
		r.clientCA(key, l.ClientAuth, l.ClientCA)
		r.hsts(key+".hsts", l.HSTS)
	}
	switch {
	case l.TLS && l.RedirectHTTPS:
		r.add(key+".redirect_https", "means nothing with tls = true, since clients are there by https already; want it on a listener without tls")
	case l.RedirectPort != 0 && !l.RedirectHTTPS:
		r.add(key+".redirect_port", "means nothing without redirect_https = true")
	}
}

// protocols checks that clients can choose between a listener's protocols, and that none is left
// without one.
func (r *report) protocols(key string, l Listener) {
	if l.Protocols == nil {
		return
	}
	for i, name := range l.Protocols {
		switch {
		case slices.Contains(l.Protocols[:i], name):
			r.add(Element(key, i), "%s is there already; want each protocol once", show(name))
		case name == ProtocolH2 && !l.TLS:
			r.add(Element(key, i), "%s is chosen in the handshake of TLS; want tls = true, or %q for clients that speak HTTP/2 in clear unasked", show(name), ProtocolH2C)
		case name == ProtocolH2C && l.TLS:
			r.add(Element(key, i), "%s is HTTP/2 in clear; want %q with tls = true", show(name), ProtocolH2)
		}
	}
	if !slices.Contains(l.Protocols, ProtocolHTTP1) {
		r.add(key, "has no %q, which WebSockets need, and clients that don't speak HTTP/2; want it too", ProtocolHTTP1)
	}
}

// needsTLS refuses what means nothing without TLS.
func (r *report) needsTLS(key string, l Listener) {
	for _, of := range []struct {
		name  string
		given bool
	}{
		{"hsts", l.HSTS != ""},
		{"min_version", l.MinVersion != ""},
		{"client_auth", asks(l.ClientAuth)},
		{"client_ca", l.ClientCA != ""},
	} {
		if of.given {
			r.add(key+"."+of.name, "means nothing without tls = true")
		}
	}
}

// clientCA checks that clients who are asked for certificates are asked by an authority.
func (r *report) clientCA(key, auth, ca string) {
	switch {
	case asks(auth) && ca == "":
		r.add(key+".client_auth", "%s needs the authorities that clients' certificates must be from; want %s.client_ca too", show(auth), key)
	case !asks(auth) && ca != "":
		r.add(key+".client_ca", "means nothing with client_auth = \"off\"; want \"request\" or \"require\", or no client_ca")
	}
}

// hsts checks the value of Strict-Transport-Security (RFC 6797, section 6.1).
func (r *report) hsts(key, value string) {
	if value == "" {
		return
	}
	ages := 0
	for _, directive := range strings.Split(value, ";") {
		name, argument, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "max-age":
			_, err := strconv.ParseUint(strings.Trim(argument, `"`), 10, 32)
			if err == nil {
				ages++
			}
		case "includesubdomains", "preload":
		default:
			r.add(key, "%s: unexpected %s; want max-age=SECONDS, and perhaps includeSubDomains and preload behind semicolons", show(value), show(directive))
			return
		}
	}
	if ages != 1 {
		r.add(key, "%s has no max-age, or more than one; want one such as \"max-age=31536000\"", show(value))
	}
}

// certificates checks that there are some where TLS is, and one default at most.
func (r *report) certificates(c Config) {
	byDefault := -1
	for i, cert := range c.TLS.Certificates {
		key := Element("tls.certificates", i)
		if cert.Cert == "" {
			r.add(key, "has no cert; want the file of the certificate and its chain")
		}
		if !cert.Default {
			continue
		}
		if byDefault >= 0 {
			r.add(key+".default", "%s is the default already; want one at most", Element("tls.certificates", byDefault))
		}
		byDefault = i
	}
	switch first := slices.IndexFunc(c.Listeners, func(l Listener) bool { return l.TLS }); {
	case first >= 0 && len(c.TLS.Certificates)+len(c.TLS.ACME.Domains) == 0:
		r.add(Element("listeners", first)+".tls", "needs a certificate; want [[tls.certificates]] with cert and key, or tls.acme.domains")
	case first < 0 && len(c.TLS.Certificates) > 0:
		r.add("tls.certificates", "mean nothing without a listener with TLS; want tls = true in one of [[listeners]]")
	case first < 0 && len(c.TLS.Hosts) > 0:
		r.add("tls.hosts", "mean nothing without a listener with TLS; want tls = true in one of [[listeners]]")
	}
}

// tlsHost checks a host with terms of its own.
func (r *report) tlsHost(key, host string) {
	if !isHostName(strings.TrimPrefix(host, "*.")) {
		r.add(key, "%s is no host's name; want one such as \"api.example.com\", or \"*.example.com\" for those below it", show(host))
	}
}
