package main

import (
	"crypto/tls"
	"slices"
	"time"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/identity"
)

// edgeChange is what clients are to meet: certificates, and how each listener serves them.
type edgeChange struct {
	certificates *certs.Set
	// how has the listeners in the order of config.ListenersInForce.
	how []proxy.Listener
	// issuing has the certificates that an authority issues.
	issuing *issuingChange
}

// prepareEdge reads the certificates and authorities of the listeners.
func (p *process) prepareEdge(c config.Config) (e *edgeChange, err error) {
	loaded, problems := loadEdge(c)
	if len(problems) > 0 {
		return nil, config.Problems(problems)
	}
	e = &edgeChange{certificates: loaded.certificates}
	for i, l := range c.ListenersInForce() {
		how := proxy.Listener{HSTS: l.HSTS, HTTP2: l.HasHTTP2()}
		if how.ProxyProtocol, err = identity.ParseNetworks("proxy in front", l.ProxyProtocol); err != nil {
			return nil, problem(config.Element("listeners", i)+".proxy_protocol", "%v", err)
		}
		if l.TLS {
			how.TLS = p.certs.Listener(loaded.general[i], loaded.hosts[i], l.Protocols...)
		} else {
			how.Clear = certs.NewClear(loaded.hosts[i])
		}
		if l.RedirectHTTPS {
			how.RedirectTo = l.RedirectPort
		}
		e.how = append(e.how, how)
	}
	e.issuing, err = p.prepareIssuing(c)
	return e, err
}

// loadedEdge is what the files of the listeners' TLS hold.
type loadedEdge struct {
	certificates *certs.Set
	// general are the policies of the listeners, hosts those of hosts on each of them.
	general []certs.Policy
	hosts   []map[string]certs.Policy
}

// loadEdge reads the files of the listeners' TLS.
func loadEdge(c config.Config) (e loadedEdge, problems []config.Problem) {
	e.certificates, problems = loadCertificates(c.TLS.Certificates)
	authorities := func(key, file string) *certs.Authorities {
		if file == "" {
			return nil
		}
		a, err := certs.LoadAuthorities(file)
		if err != nil {
			problems = append(problems, config.Problem{Key: key + ".client_ca", Text: err.Error()})
		}
		return a
	}
	ofHosts := make([]*certs.Authorities, len(c.TLS.Hosts))
	for i, h := range c.TLS.Hosts {
		ofHosts[i] = authorities(config.Element("tls.hosts", i), h.ClientCA)
	}
	for i, l := range c.ListenersInForce() {
		general := certs.Policy{
			MinVersion: tlsVersion(l.MinVersion), ClientAuth: certs.ClientAuth(l.ClientAuth),
			Authorities: authorities(config.Element("listeners", i), l.ClientCA),
		}
		hosts := map[string]certs.Policy{}
		for j, h := range c.TLS.Hosts {
			hosts[h.Host] = hostPolicy(general, h, ofHosts[j])
		}
		e.general, e.hosts = append(e.general, general), append(e.hosts, hosts)
	}
	return e, problems
}

// hostPolicy is the policy of a host on a listener with a general one.
func hostPolicy(general certs.Policy, h config.TLSHost, authorities *certs.Authorities) certs.Policy {
	if h.MinVersion != "" {
		general.MinVersion = tlsVersion(h.MinVersion)
	}
	if h.ClientAuth != "" {
		general.ClientAuth, general.Authorities = certs.ClientAuth(h.ClientAuth), authorities
	}
	return general
}

// tlsVersion is the version of a name that is valid.
func tlsVersion(name string) uint16 {
	if name == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// loadCertificates reads the certificates.
func loadCertificates(all []config.Certificate) (*certs.Set, []config.Problem) {
	var loaded []*certs.Certificate
	var standard *certs.Certificate
	var problems []config.Problem
	for i, c := range all {
		one, wrong := loadPair(certificateKey(i), certs.Files{Cert: c.Cert, Key: c.Key})
		if problems = append(problems, wrong...); one == nil {
			continue
		}
		loaded = append(loaded, one)
		if c.Default {
			standard = one
		}
	}
	return certs.NewSet(loaded, standard), problems
}

// certificateKey is the key of the certificate with an index.
func certificateKey(i int) string { return config.Element("tls.certificates", i) }

// loadPair reads the certificate whose files are at a key. It is nil if there are problems.
func loadPair(at string, files certs.Files) (*certs.Certificate, []config.Problem) {
	cert, faults := certs.Load(files)
	return cert, faultsAt(at, files, faults)
}

// faultsAt gives faults of a certificate whose files are at a key the keys of the files.
func faultsAt(at string, files certs.Files, faults certs.Faults) (all []config.Problem) {
	for _, fault := range faults {
		key := at + ".cert"
		if fault.OfKey && files.Key != "" {
			key = at + ".key"
		}
		all = append(all, config.Problem{Key: key, Text: fault.Text})
	}
	return all
}

// warnOfCertificates finds what clients may refuse certificates for.
func warnOfCertificates(c config.Config) (warnings []config.Problem) {
	set, problems := loadCertificates(c.TLS.Certificates)
	if len(problems) > 0 {
		return nil // They have changed since they were checked, and the start tells of them.
	}
	for i, faults := range set.Faults(time.Now()) {
		of := c.TLS.Certificates[i]
		warnings = append(warnings, faultsAt(certificateKey(i), certs.Files{Cert: of.Cert, Key: of.Key}, faults)...)
	}
	return slices.Concat(warnings, warnOfAdminCertificate(c.Admin))
}

// wantedListeners are those of the proxy, and how each is served.
func (e *edgeChange) wantedListeners(c config.Config) []wantedListener {
	var wanted []wantedListener
	for i, l := range c.ListenersInForce() {
		wanted = append(wanted, wantedListener{
			name: listenerName(c, i), key: c.ListenKey(i), address: l.Listen, how: e.how[i],
		})
	}
	return wanted
}

// listenerName is what a supervisor calls the proxy's listener with this index: "proxy", if there
// is one only. Otherwise its socket is known by its address.
func listenerName(c config.Config, i int) string {
	all := c.ListenersInForce()
	if len(all) == 1 {
		return proxySocket
	}
	return proxySocket + " " + all[i].Listen
}
