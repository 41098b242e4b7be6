package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"slices"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/regular"
)

// maxCertificate is the largest file of a certificate or a key, in bytes.
const maxCertificate = 4 << 20

// backendSettings are a pool's backends as balancer wants them. The error names the key of a file
// that can't be used.
func backendSettings(name string, pool config.Pool) ([]balancer.BackendSettings, error) {
	var base loadedTLS
	if slices.ContainsFunc(pool.Backends, func(b config.Backend) bool { return b.ServerName() != "" }) {
		c, problem := loadTLS("pools."+name+".tls", pool.TLS)
		if problem != nil {
			return nil, config.Problems{*problem}
		}
		base = c
	}
	var all []balancer.BackendSettings
	for _, b := range pool.Backends {
		s := balancer.BackendSettings{URL: b.URL, Addr: b.Addr(), Weight: b.Weight, MaxInFlight: b.MaxInFlight, Backup: b.Backup, State: b.State}
		if server := b.ServerName(); server != "" {
			s.TLS, s.TLSIdentity = tlsFor(base.Config, server), base.identity
		}
		all = append(all, s)
	}
	return all, nil
}

// tlsFor is the TLS configuration of the connections to one backend.
func tlsFor(base *tls.Config, server string) *tls.Config {
	c := base.Clone()
	if c.ServerName == "" {
		c.ServerName = server
	}
	return c
}

// loadedTLS is what a pool's TLS settings and their files say.
type loadedTLS struct {
	*tls.Config
	// identity is the same for the same settings and contents of files.
	identity string
}

// loadTLS reads the files of a pool's TLS settings, which have this key. The ServerName may be
// missing in what it returns.
func loadTLS(key string, t config.TLS) (loadedTLS, *config.Problem) {
	c := &tls.Config{
		ServerName:         t.ServerName,
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: !t.Verify,
	}
	var ca, cert []byte
	if t.CA != "" {
		authorities, err := certs.LoadAuthorities(t.CA)
		if err != nil {
			return loadedTLS{}, &config.Problem{Key: key + ".ca", Text: err.Error()}
		}
		c.RootCAs, ca = authorities.Pool, authorities.Sum[:]
	}
	if t.Cert != "" && t.Key != "" {
		var problem *config.Problem
		if cert, problem = loadCertificate(key, t, c); problem != nil {
			return loadedTLS{}, problem
		}
	}
	identity := sha256.Sum256(fmt.Appendf(nil, "%q %t %q %q", t.ServerName, t.Verify, ca, cert))
	return loadedTLS{c, string(identity[:])}, nil
}

// loadCertificate reads the certificate for c, and returns what is in its file.
func loadCertificate(key string, t config.TLS, c *tls.Config) ([]byte, *config.Problem) {
	cert, err := regular.Read(t.Cert, maxCertificate)
	if err != nil {
		return nil, &config.Problem{Key: key + ".cert", Text: err.Error()}
	}
	private, err := regular.Read(t.Key, maxCertificate)
	if err != nil {
		return nil, &config.Problem{Key: key + ".key", Text: err.Error()}
	}
	pair, err := tls.X509KeyPair(cert, private)
	if err != nil {
		return nil, &config.Problem{Key: key + ".cert", Text: fmt.Sprintf("%s with the key in %s: %v", t.Cert, t.Key, err)}
	}
	c.Certificates = []tls.Certificate{pair}
	return cert, nil
}

// checkTLSFiles finds what would end the start.
func checkTLSFiles(c config.Config) []config.Problem {
	var problems []config.Problem
	for name, pool := range c.Pools {
		if _, problem := loadTLS("pools."+name+".tls", pool.TLS); problem != nil {
			problems = append(problems, *problem)
		}
	}
	return problems
}
