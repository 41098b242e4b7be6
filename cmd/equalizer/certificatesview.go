package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/certs/acme"
)

// certificates are those in force, for the admin API. Files are named as the configuration names
// them.
func (p *process) certificates(f *inForce) []api.Certificate {
	all := []api.Certificate{}
	for i, c := range p.certs.Status(time.Now()) {
		all = append(all, f.certificate(certificateKey(i), c))
	}
	all = slices.Concat(all, issuedCertificates(f.issuing, time.Now()))
	if f.adminCertificate != nil {
		own := f.certificate("admin", f.adminCertificate.Status(time.Now()))
		own.Admin = true
		all = append(all, own)
	}
	return all
}

// certificate is one whose files are at a key, for the admin API.
func (f *inForce) certificate(key string, c certs.Status) api.Certificate {
	shown := strings.NewReplacer(
		c.Files.Cert, f.Sources.Shown(key+".cert", c.Files.Cert), c.Files.Key, f.Sources.Shown(key+".key", c.Files.Key))
	warnings := []string{}
	for _, fault := range c.Faults {
		warnings = append(warnings, shown.Replace(fault))
	}
	return api.Certificate{
		Names: slices.Concat([]string{}, c.Names), Cert: shown.Replace(c.Files.Cert), Key: c.KeyKind, Issuer: c.Issuer,
		NotBefore: api.Moment{Time: c.NotBefore}, NotAfter: api.Moment{Time: c.NotAfter},
		DaysLeft: c.DaysLeft, Default: c.Default, Warnings: warnings,
	}
}

// issuedCertificates are those of an authority, and of the domains that have none yet, for the
// admin API.
func issuedCertificates(m *acme.Manager, now time.Time) []api.Certificate {
	all := []api.Certificate{}
	if m == nil {
		return all
	}
	for _, s := range m.Status() {
		c := api.Certificate{Names: []string{s.Domain}, ACME: true, Warnings: []string{}}
		if s.Certificate != nil {
			of := certs.StatusOf(s.Certificate, now)
			c.Names, c.Key, c.Issuer = of.Names, of.KeyKind, of.Issuer
			c.NotBefore, c.NotAfter, c.DaysLeft = api.Moment{Time: of.NotBefore}, api.Moment{Time: of.NotAfter}, of.DaysLeft
		}
		none := s.Certificate == nil || s.SelfSigned
		switch {
		case none && s.Failure != nil:
			c.Warnings = append(c.Warnings, fmt.Sprintf("none is issued yet: %v", s.Failure))
		case none:
			c.Warnings = append(c.Warnings, "none is issued yet: it has been asked for")
		case s.Failure != nil:
			c.Warnings = append(c.Warnings, fmt.Sprintf("there is no newer one yet: %v", s.Failure))
		}
		all = append(all, c)
	}
	return all
}
