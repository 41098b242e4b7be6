package main

import (
	"context"
	"os/exec"
	"time"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/certs/acme"
	"gopher-equalizer/store/seal"
)

// issuingChange is the keeping of issued certificates on its way to be as a configuration says.
type issuingChange struct {
	// before is what there was, and manager what is to be; nil is none.
	before, manager *acme.Manager
	wanted          acme.Settings
	// blobs are a new manager's, if it has no folder; secret is what they are sealed with.
	blobs  *lateBlobs
	secret *seal.Secret
}

// prepareIssuing makes what a configuration needs for issued certificates.
func (p *process) prepareIssuing(c config.Config) (*issuingChange, error) {
	i := &issuingChange{before: p.issuing()}
	a := c.TLS.ACME
	if len(a.Domains) == 0 {
		return i, nil
	}
	i.wanted = acme.Settings{
		Domains: a.Domains, CA: a.CA, Email: a.Email, SelfSigned: a.SelfSigned,
		Hook: acme.Hook{Command: a.DNSHook, Timeout: a.DNSTimeout, Propagation: a.DNSPropagation},
	}
	if a.CARoots != "" {
		roots, err := certs.LoadAuthorities(a.CARoots)
		if err != nil {
			return i, problem("tls.acme.ca_roots", "%v", err)
		}
		i.wanted.Roots = roots.Pool
	}
	if i.manager = i.before; i.manager != nil {
		return i, nil
	}
	var err error
	if i.secret, err = secretOf(c.Store); err != nil {
		return i, err
	}
	o := acme.Options{Folder: a.Folder, Timeout: c.Store.Timeout, Logger: p.log.Logger}
	if a.Folder == "" {
		i.blobs = &lateBlobs{}
		o.Blobs = i.blobs
	}
	i.manager, err = acme.New(o)
	return i, err
}

// issuing is what keeps issued certificates; nil if there are none.
func (p *process) issuing() *acme.Manager {
	if now := p.current.Load(); now != nil {
		return now.issuing
	}
	return nil
}

// publish has issued certificates be kept as is wanted. The store is in use by then.
func (i *issuingChange) publish(p *process) {
	if i.manager == nil {
		p.certs.Ask(nil)
		return
	}
	if i.blobs != nil {
		i.blobs.Blobs = p.privateBlobs(i.secret)
	}
	i.manager.Use(i.wanted)
	p.certs.Ask(i.manager)
}

// drain ends what isn't needed any more.
func (i *issuingChange) drain(p *process) {
	if i.manager == nil {
		p.endIssuing(context.Background(), i.before)
	}
}

// discard undoes what was made.
func (i *issuingChange) discard(p *process) {
	if i.before == nil {
		p.endIssuing(context.Background(), i.manager)
	}
}

// issuingEnd is how long a stop waits for what keeps issued certificates. A successor waits for it.
const issuingEnd = time.Second

// endIssuing ends the keeping of issued certificates, if there is any. It comes before the store
// goes.
func (p *process) endIssuing(ctx context.Context, m *acme.Manager) {
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, issuingEnd)
	defer cancel()
	p.warn("another process may wait before it asks for certificates", m.Close(ctx))
}

// lateBlobs are known once the store is, which is before they are used.
type lateBlobs struct{ acme.Blobs }

// checkIssuing finds what is wrong with the files that the issuing of certificates needs.
func checkIssuing(a config.ACME) (problems []config.Problem) {
	if a.CARoots != "" {
		if _, err := certs.LoadAuthorities(a.CARoots); err != nil {
			problems = append(problems, config.Problem{Key: "tls.acme.ca_roots", Text: err.Error()})
		}
	}
	if len(a.DNSHook) > 0 {
		if _, err := exec.LookPath(a.DNSHook[0]); err != nil {
			problems = append(problems, config.Problem{Key: "tls.acme.dns_hook", Text: err.Error()})
		}
	}
	return problems
}
