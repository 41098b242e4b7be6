package main

import (
	"crypto/tls"
	"time"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy/certs"
)

// loadAdminCertificate reads the certificate of the admin API; nil if it has none, or if there are
// problems.
func loadAdminCertificate(a config.Admin) (*certs.Certificate, []config.Problem) {
	if a.Cert == "" {
		return nil, nil
	}
	return loadPair("admin", certs.Files{Cert: a.Cert, Key: a.Key})
}

// adminTLS is the TLS of an admin API with a certificate.
func adminTLS(cert *certs.Certificate) *tls.Config {
	if cert == nil {
		return nil
	}
	store := certs.NewStore(certs.NewSet([]*certs.Certificate{cert}, cert))
	return certs.Policy{MinVersion: tls.VersionTLS12}.Config(store, []string{"http/1.1"})
}

// warnOfAdminCertificate finds what clients may refuse the admin API's certificate for.
func warnOfAdminCertificate(a config.Admin) []config.Problem {
	cert, _ := loadAdminCertificate(a)
	if cert == nil {
		return nil
	}
	return faultsAt("admin", cert.Files, cert.Faults(time.Now()))
}
