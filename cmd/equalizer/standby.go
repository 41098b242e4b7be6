package main

import (
	"context"
	"errors"
	"syscall"

	"gopher-equalizer/api"
	"gopher-equalizer/config"
)

// standBy has the admin API say that this process waits for another one to let go of the store, as
// the start is about to do. If its address is taken, on the machine of that process most likely,
// nobody is told.
func (p *process) standBy(ctx context.Context, loaded config.Loaded) error {
	p.phase.Store(api.Standby)
	c := &change{p: p, to: &inForce{Loaded: loaded}}
	var problems config.Problems
	if c.to.adminCertificate, problems = loadAdminCertificate(loaded.Config.Admin); len(problems) > 0 {
		return problems
	}
	c.to.settings = adminSettings(c.to)
	err := c.listenForAdmin(ctx)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		p.log.Info().Str("admin.listen", loaded.Config.Admin.Listen).
			Msg("standing by for the store; /readyz can't be asked meanwhile, since another process listens there")
		return nil
	case err != nil:
		c.discard()
		return err
	}
	p.serveAdminBy(c.to.settings, api.Sources{Standby: true, Ready: p.readiness, Status: func() api.Status { return api.Status{} }})
	c.listening[0].publish()
	p.log.Info().Str("admin", p.adminListeners.addresses()).Msg("standing by for the store")
	return nil
}

// serveAdminBy has the admin API serve this from now on.
func (p *process) serveAdminBy(settings api.Settings, sources api.Sources) {
	if p.admin == nil {
		p.admin = api.New(settings, sources, p.log.Logger)
		return
	}
	p.admin.Configure(settings, sources)
}
