package acme

import (
	"context"
	"slices"

	"github.com/caddyserver/certmagic"
)

// config is certmagic's configuration for some settings.
type config struct {
	*certmagic.Config
	settings Settings
	issuer   *certmagic.ACMEIssuer
}

// wants reports whether a domain's certificate is wanted.
func (c *config) wants(domain string) bool { return slices.Contains(c.settings.Domains, domain) }

// configure makes certmagic's part of a configuration.
func (m *Manager) configure(c *config) {
	log, s := newLogger(m.log), c.settings
	c.Config = certmagic.New(m.cache, certmagic.Config{
		Storage: m.storage, Logger: log, OnEvent: m.event,
		OCSP: certmagic.OCSPConfig{DisableStapling: true}, // Authorities do without it now.
	})
	host, port := m.plug.address()
	template := certmagic.ACMEIssuer{
		CA: s.CA, Email: s.Email, Agreed: true, TrustedRoots: s.Roots, Logger: log,
		ListenHost: host, AltHTTPPort: port, AltTLSALPNPort: port,
	}
	if s.Email == "" {
		template.Email = " " // certmagic trims it, and would ask on the terminal for none.
	}
	if len(s.Hook.Command) > 0 {
		template.DNS01Solver = s.Hook
	}
	c.issuer = certmagic.NewACMEIssuer(c.Config, template)
	c.Issuers = []certmagic.Issuer{c.issuer}
}

// event is told what certmagic does.
func (m *Manager) event(_ context.Context, name string, data map[string]any) error {
	if name == "cert_obtained" {
		domain, _ := data["identifier"].(string)
		renewal, _ := data["renewal"].(bool)
		m.log.Info().Str("domain", domain).Bool("renewal", renewal).Msg("a certificate was issued")
	}
	return nil
}
