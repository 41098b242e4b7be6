package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"gopher-equalizer/api"
)

// stop ends the run in the order in which nothing is lost: readiness off, the listeners drained and
// closed, the last flush, and the store released, so that a successor can serve. Then it waits for
// what is being relayed. A reload that runs is cancelled.
func (p *process) stop() error {
	p.phase.Store(api.Stopping)
	p.reloads.close()
	server := p.current.Load().Config.Server
	p.log.Info().Dur("drain_delay", server.DrainDelay).Msg("stopping")
	p.proxy.Drain()
	time.Sleep(server.DrainDelay)

	ctx, cancel := context.WithTimeout(context.Background(), server.ShutdownTimeout)
	defer cancel()
	p.endReload(server.ShutdownTimeout / 2)
	p.warn("stopping the admin API", p.admin.StopAccepting())
	var admin sync.WaitGroup
	admin.Go(func() { p.endAdmin(ctx) })
	p.warn("requests may have spent tokens that aren't stored", p.proxy.Close(ctx))
	err := p.release(ctx)
	p.awaitRelayed(ctx, server.TunnelGrace)
	admin.Wait()
	p.servers.Wait()
	p.endTasks()
	if err == nil {
		p.log.Info().Msg("stopped: all that was spent is stored")
	}
	return err
}

// endReload waits for the end of the reload that was cancelled. It may hang in a file system that
// doesn't respond, and the rest of the stop needs time too. It can't publish anything any more.
func (p *process) endReload(most time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	p.warn("a reload doesn't end", p.reloads.wait(ctx))
}

// tasksEnd is how long the tasks may take to end. They only wait for something, but one that looks
// at a file may hang.
const tasksEnd = time.Second

func (p *process) endTasks() {
	ctx, cancel := context.WithTimeout(context.Background(), tasksEnd)
	defer cancel()
	p.warn("a task doesn't end", p.tasks.endWithin(ctx))
}

// release stores overrides and what is dirty, and closes the store.
func (p *process) release(ctx context.Context) error {
	p.flusher.end()
	p.endIssuing(ctx, p.issuing())
	err := p.overrides.close(ctx)
	l := p.limiting.Load()
	if l == nil {
		return err
	}
	err = errors.Join(err, l.limits.Close(ctx))
	p.warn("closing the store", l.close())
	p.log.Info().Int64("requests", p.proxy.Stats().InFlight).Msg("the store is released: waiting for what is being relayed")
	return err
}

// awaitRelayed waits for what is being relayed. If a supervisor waits for this process to end
// before it starts the next one, tunnels and event streams are cut after tunnel_grace, so that new
// connections don't wait for them.
func (p *process) awaitRelayed(ctx context.Context, tunnelGrace time.Duration) {
	if p.listen.inherited() {
		grace := time.AfterFunc(tunnelGrace, func() {
			if n := p.proxy.CutLasting(); n > 0 {
				p.log.Info().Int("cut", n).Msg("tunnels and event streams outlived tunnel_grace")
			}
		})
		defer grace.Stop()
	}
	p.warn("requests were cut", p.proxy.Wait(ctx))
}

// abandon ends what a start that failed has begun.
func (p *process) abandon() {
	p.endTasks()
	ctx, cancel := context.WithTimeout(context.Background(), p.from.first.Config.Store.Timeout)
	defer cancel()
	if p.admin != nil {
		p.endAdmin(ctx)
	}
	p.servers.Wait()
	p.warn("the last overrides of backends aren't stored", p.overrides.close(ctx))
}

// endAdmin waits for the admin requests that run, and cuts them when ctx ends.
func (p *process) endAdmin(ctx context.Context) {
	p.warn("admin requests were cut", p.admin.Shutdown(ctx))
}

// warn logs an error that nothing can be done about, if there is one.
func (p *process) warn(what string, err error) {
	if err != nil {
		p.log.Warn().Err(err).Msg(what)
	}
}
