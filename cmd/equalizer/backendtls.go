package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
)

// backendSettings are a pool's backends as balancer wants them. The error names the key of a file
// that can't be used.
func backendSettings(name string, pool config.Pool) ([]balancer.BackendSettings, error) {
	var base *tls.Config
	if slices.ContainsFunc(pool.Backends, func(b config.Backend) bool { return b.ServerName() != "" }) {
		c, problem := loadTLS("pools."+name+".tls", pool.TLS)
		if problem != nil {
			return nil, config.Problems{*problem}
		}
		base = c
	}
	var all []balancer.BackendSettings
	for _, b := range pool.Backends {
		s := balancer.BackendSettings{URL: b.URL, Addr: b.Addr(), Weight: b.Weight, State: b.State}
		if server := b.ServerName(); server != "" {
			s.TLS = tlsFor(base, server)
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

// loadTLS reads the files of a pool's TLS settings, which have this key. The ServerName may be
// missing in what it returns.
func loadTLS(key string, t config.TLS) (*tls.Config, *config.Problem) {
	c := &tls.Config{
		ServerName:         t.ServerName,
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: !t.Verify,
	}
	if t.CA != "" {
		roots, err := loadCA(t.CA)
		if err != nil {
			return nil, &config.Problem{Key: key + ".ca", Text: err.Error()}
		}
		c.RootCAs = roots
	}
	if t.Cert == "" || t.Key == "" {
		return c, nil
	}
	cert, err := os.ReadFile(t.Cert)
	if err != nil {
		return nil, &config.Problem{Key: key + ".cert", Text: err.Error()}
	}
	private, err := os.ReadFile(t.Key)
	if err != nil {
		return nil, &config.Problem{Key: key + ".key", Text: err.Error()}
	}
	pair, err := tls.X509KeyPair(cert, private)
	if err != nil {
		return nil, &config.Problem{Key: key + ".cert", Text: fmt.Sprintf("%s with the key in %s: %v", t.Cert, t.Key, err)}
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// loadCA reads a PEM file of certificates. All of them must be good, since one that is left out
// would be missed when it is too late.
func loadCA(file string) (*x509.CertPool, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, found := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		found++
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d in it: %w", file, found, err)
		}
		roots.AddCert(cert)
	}
	if found == 0 {
		return nil, fmt.Errorf("%s: there is no certificate in it; want PEM, -----BEGIN CERTIFICATE-----", file)
	}
	return roots, nil
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
