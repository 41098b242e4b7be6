package certs

import (
	"crypto/tls"
	"net/netip"
	"strings"
)

// Listener is the TLS of a listener: a policy for clients in general, and others for some hosts. It
// is immutable.
type Listener struct {
	// Config is what connections are served by.
	Config *tls.Config
	terms  terms
	hosts  byHost[terms]
	// asks reports whether any of them asks for certificates.
	asks bool
}

// terms are a policy and its config.
type terms struct {
	Policy
	config *tls.Config
}

// Listener makes the TLS of a listener. hosts have policies of their own: a name, or "*.NAME" for
// those below NAME. Unlike a certificate's, that is any number of labels, as in routes: no host
// that a route serves escapes what the operator wants of its clients. protocols are those that
// clients may choose from (ALPN), the preferred one first.
func (s *Server) Listener(general Policy, hosts map[string]Policy, protocols ...string) *Listener {
	l := &Listener{terms: terms{general, s.config(general, protocols)}, asks: general.asks()}
	all := map[string]terms{}
	for host, policy := range hosts {
		all[host] = terms{policy, s.config(policy, protocols)}
		l.asks = l.asks || policy.asks()
	}
	l.hosts = newByHost(all)
	// The ticket keys are those of the config that is chosen here.
	l.Config = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if challenge := s.challenge(hello); challenge != nil {
			return challenge, nil
		}
		return l.of(strings.ToLower(hello.ServerName)).config, nil
	}}
	return l
}

// of returns the terms for a host, in lower case.
func (l *Listener) of(host string) terms {
	if t, ok := l.hosts.of(host); ok {
		return t
	}
	return l.terms
}

// Serves reports whether a request for a host may come over a connection whose client asked for a
// name; "" if it asked for none. host is what stands in Host, perhaps with a port. Where client
// certificates are asked for, the two must be the same: otherwise a client could show what one host
// wants and be served by another. A request that may not is to be answered with 421.
func (l *Listener) Serves(name string, host []byte) bool {
	if !l.asks {
		return true
	}
	var buf [256]byte
	wanted := appendHost(buf[:0], host)
	if equalFold(wanted, name) {
		return true
	}
	requested := string(wanted)
	asked, served := l.of(strings.ToLower(name)), l.of(requested)
	if !asked.asks() && !served.asks() {
		return true
	}
	// TLS has no names for addresses.
	_, err := netip.ParseAddr(strings.Trim(requested, "[]"))
	return err == nil && name == "" && asked.Policy == served.Policy
}

// Keeps reports whether a connection that was made under a former one could be made under l: it has
// the least version, a certificate if one is required, and if it has one, its authorities are still
// those. name is the host that the client asked for.
func (l *Listener) Keeps(former *Listener, name string, version uint16, hasCertificate bool) bool {
	name = strings.ToLower(name)
	was, is := former.of(name), l.of(name)
	switch {
	case was.config == is.config: // Servers make one for each policy and its protocols.
		return true
	case version < is.MinVersion:
		return false
	case !hasCertificate:
		return is.ClientAuth != AuthRequire
	}
	return is.asks() && was.trusts(is.Policy)
}

// KeepsClear reports whether a connection in clear, of before there was TLS, may bring a request
// for a host.
func (l *Listener) KeepsClear(host []byte) bool {
	var buf [256]byte
	return l.of(string(appendHost(buf[:0], host))).ClientAuth != AuthRequire
}

// appendHost appends a host in lower case, without its port and the dot at its end.
func appendHost(dst, host []byte) []byte {
	for i := len(host) - 1; i >= 0 && host[i] != ']'; i-- {
		if host[i] == ':' {
			host = host[:i]
			break
		}
	}
	if n := len(host); n > 0 && host[n-1] == '.' {
		host = host[:n-1]
	}
	for _, c := range host {
		dst = append(dst, lower(c))
	}
	return dst
}

// equalFold reports whether a host in lower case is a name in any case.
func equalFold(host []byte, name string) bool {
	if len(host) != len(name) {
		return false
	}
	for i, c := range host {
		if c != lower(name[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
