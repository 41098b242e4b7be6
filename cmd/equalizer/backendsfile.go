package main

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy/names"
)

// backendsFiles are the files of backends that a configuration names, sorted.
func backendsFiles(of config.Loaded) []string {
	return slices.Sorted(maps.Values(of.Config.BackendsFiles()))
}

// latest is the configuration in force, and before there is one that of the start. Backends that
// are in a file may be others than in the one that came in force last.
func (p *process) latest(first *inForce) config.Loaded {
	if now := p.current.Load(); now != nil {
		return now.Loaded
	}
	return first.Loaded
}

// reread is what the files of backends say now.
type reread struct {
	config.Loaded
	// backends are those of the pools whose files can be used, failed is why others can't, both by
	// the pools' names.
	backends map[string][]balancer.BackendSettings
	failed   map[string]error
}

// rereadAll reads all files of backends again. A pool whose file can't be used keeps the backends
// that it has.
func rereadAll(loaded config.Loaded) reread {
	r := reread{loaded, map[string][]balancer.BackendSettings{}, map[string]error{}}
	for _, name := range slices.Sorted(maps.Keys(loaded.Config.BackendsFiles())) {
		now, err := r.RereadBackends(name)
		if err == nil {
			r.backends[name], err = backendSettings(name, now.Config.Pools[name])
		}
		if err != nil {
			r.failed[name] = err
			continue
		}
		r.Loaded = now
	}
	return r
}

// rereadBackends has pools have the backends that are in their files now, by the configuration in
// force otherwise. The error is why some have those of before.
//
// The files are read before anything is held, since a file system may not respond. If a reload
// comes first then, nothing is done, and the watcher comes back.
func (p *process) rereadBackends() error {
	before, from := p.listed.look(), p.current.Load()
	now := rereadAll(from.Loaded)
	p.changing.Lock()
	defer p.changing.Unlock()
	if p.current.Load() != from {
		return nil
	}
	p.listed.readSince(backendsFiles(now.Loaded), before)
	p.noteUnusable(now.failed)
	if !reflect.DeepEqual(from.Loaded, now.Loaded) {
		if err := p.followFiles(p.reloads.ctx, from, now); err != nil {
			return err
		}
	}
	return errors.Join(slices.Collect(maps.Values(now.failed))...)
}

// noteUnusable logs which pools' files can't be used any more, and which can again, each once.
func (p *process) noteUnusable(failed map[string]error) {
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		if text := failed[name].Error(); text != p.unusable[name] {
			p.log.Error().Str("pool", name).Strs("mistakes", strings.Split(text, "\n")).
				Msg("the file of a pool's backends can't be used: it keeps those that it has")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.unusable)) {
		if failed[name] == nil {
			p.log.Info().Str("pool", name).Msg("the file of a pool's backends can be used again")
		}
	}
	p.unusable = map[string]string{}
	for name, err := range failed {
		p.unusable[name] = err.Error()
	}
}

// followFiles has pools have the backends that their files say. New ones are probed first. The
// error is that the process stops. Whoever calls it holds changing.
func (p *process) followFiles(ctx context.Context, from *inForce, now reread) error {
	changes := p.prepareListed(ctx, from, now)
	var probes sync.WaitGroup
	for _, c := range changes {
		probes.Go(func() { c.Probe(ctx) })
	}
	probes.Wait()
	for _, c := range changes {
		c.warn(p.log.Logger)
	}
	if err := p.reloads.publish(func() { p.publishListed(from, now.Loaded, changes) }); err != nil {
		for _, c := range changes {
			c.Discard()
		}
		return err
	}
	p.names.Retain(allHosts(now.Config))
	if len(changes) > 0 {
		withChanges(p.log.Info(), differences(from.Loaded, now.Loaded)).Msg("files of backends have changed: their pools have these now")
	}
	return nil
}

// publishListed has the pools and the configuration in force have other backends, at once. With
// other connections to backends, the limit of open files has room for others of clients.
func (p *process) publishListed(from *inForce, now config.Loaded, changes []listedChange) {
	for _, c := range changes {
		c.of.listed.Store(c.to)
		c.Apply()
	}
	to, snapshot, files := *from, *from.snapshot, newDescriptors(now.Config, openFiles())
	snapshot.Clients = clientLimits(now.Config, files, p.log.Logger)
	snapshot.HTTP2 = http2Limits(now.Config.Server, files)
	to.Loaded, to.snapshot = now, &snapshot
	p.proxy.Use(&snapshot)
	p.current.Store(&to)
}

// listedChange is a change of the backends that a pool has by its configuration.
type listedChange struct {
	*balancer.Change
	of *pool
	to *listedBackends
}

// prepareListed prepares the change of each pool whose file has other backends.
func (p *process) prepareListed(ctx context.Context, from *inForce, now reread) (all []listedChange) {
	var hosts []names.Host
	for _, of := range from.pools.sorted() {
		c := now.Config.Pools[of.name]
		if slices.Equal(c.Backends, from.Config.Pools[of.name].Backends) {
			continue
		}
		settings := of.listed.Load().settings
		settings.Backends = now.backends[of.name]
		l := newListed(c, settings)
		hosts = slices.AppendSeq(hosts, maps.Values(l.hosts))
		all = append(all, listedChange{of: of, to: l})
	}
	p.names.Look(ctx, hosts...)
	for i := range all {
		all[i].Change = all[i].of.Prepare(all[i].to.addressed(p.names))
	}
	return all
}

// warn warns of what an operator said of backends, if it goes with them or hides what is said now.
func (c *listedChange) warn(log zerolog.Logger) {
	for _, hidden := range c.of.Overridden(c.to.settings.Backends) {
		log.Warn().Msg(hidden.String())
	}
	for _, leaving := range c.of.Leaving(c.to.settings.Backends) {
		log.Warn().Msg(leaving.String())
	}
}
