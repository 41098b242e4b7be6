package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/api"
	"gopher-equalizer/config"
)

// reloadAtSignals reads the configuration again at each SIGHUP, until ctx ends. Those that come
// while it does so are one more.
func (p *process) reloadAtSignals(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		for len(hangups) > 0 {
			<-hangups
		}
		_, err := p.reload("SIGHUP")
		switch {
		case errors.Is(err, api.ErrReloading):
			p.log.Info().Msg("SIGHUP: a reload that waits for its turn reads the configuration anyway")
		case errors.Is(err, api.ErrStopping):
			p.log.Info().Msg("SIGHUP: ignored, as the process is stopping")
		}
	}
}

// Reload is api.Reloader's. It goes on if ctx ends.
func (p *process) Reload(context.Context) (api.Reloaded, error) { return p.reload("the admin API") }

// slowReload is how long a reload may take without a word.
const slowReload = 10 * time.Second

// reload reads the configuration again and puts it in force, whole or not at all. It logs the
// result, unless it couldn't begin.
func (p *process) reload(trigger string) (api.Reloaded, error) {
	if err := p.reloads.enter(); err != nil {
		return api.Reloaded{}, err
	}
	return p.reloadFrom(trigger, func() (config.Loaded, error) {
		before := p.watcher.look()
		loaded, err := p.from.again()
		p.watcher.read(loaded.Files, before)
		return loaded, err
	})
}

// rereadAgain is the time until certificates that couldn't be read again are tried again. What they
// failed by may be elsewhere, and they may end soon.
const rereadAgain = time.Minute

// rereadCertificates has what is in the files now that the configuration in force names be in force
// too. The configuration stays as it is, whatever is in its own files.
//
// It doesn't wait for a reload that runs, since who waits behind that is to read the configuration.
// The watcher comes back.
func (p *process) rereadCertificates() error {
	if p.reloads.enterIfFree() != nil {
		return nil
	}
	_, err := p.reloadFrom("the file of a certificate", func() (config.Loaded, error) {
		inForce := p.current.Load().Loaded
		p.certified.read(inForce.CertificateFiles(), p.certified.look())
		return inForce.Reread(config.Options{Check: checkFiles, Warn: warnOfFiles})
	})
	return err
}

// reloadFrom is reload of what read returns, by who has entered the queue.
func (p *process) reloadFrom(trigger string, read func() (config.Loaded, error)) (api.Reloaded, error) {
	defer p.reloads.leave()
	began := time.Now()
	slow := time.AfterFunc(slowReload, func() {
		p.log.Warn().Str("trigger", trigger).Time("since", began).
			Msg("a reload takes long: it waits for the first probes, or for a file system that doesn't respond; others wait for it")
	})
	defer slow.Stop()
	reloaded, err := p.replace(p.reloads.ctx, read)
	took := time.Since(began)
	reloaded.DurationSeconds = took.Seconds()
	if !errors.Is(err, api.ErrStopping) {
		p.reloaded.note(began.Add(took), reloaded, err)
	}
	switch {
	case errors.Is(err, api.ErrStopping):
		p.log.Info().Str("trigger", trigger).Msg("reload given up, as the process is stopping: nothing was changed")
	case err != nil:
		p.log.Error().Str("trigger", trigger).Strs("mistakes", strings.Split(err.Error(), "\n")).Dur("took", took).
			Msg("reload failed: nothing was changed")
	default:
		p.logReload(trigger, reloaded, took)
	}
	return reloaded, err
}

// replace has the configuration that read returns be in force in place of the one before.
func (p *process) replace(ctx context.Context, read func() (config.Loaded, error)) (api.Reloaded, error) {
	var certificates, listed map[string]os.FileInfo
	loaded, err := unlessEnded(ctx, func() (config.Loaded, error) {
		certificates, listed = p.certified.look(), p.listed.look()
		return read()
	})
	if err != nil {
		return api.Reloaded{}, p.failure(loaded, err)
	}
	p.changing.Lock()
	defer p.changing.Unlock()
	before := p.current.Load()
	c, err := p.prepare(ctx, loaded)
	if err != nil {
		return api.Reloaded{}, p.failure(loaded, err)
	}
	reloaded, err := before.reloadedTo(loaded)
	if err != nil {
		c.discard()
		return api.Reloaded{}, p.failure(loaded, err)
	}
	if err := c.finish(ctx); err != nil {
		c.discard()
		return api.Reloaded{}, p.failure(loaded, err)
	}
	p.certified.read(loaded.CertificateFiles(), certificates)
	p.listed.readSince(backendsFiles(loaded), listed)
	if !isSameStore(before.Config.Store, loaded.Config.Store) {
		p.loadOverrides(ctx)
	}
	c.drain()
	return reloaded, nil
}

// unlessEnded returns what read does. If ctx ends first, the reading goes on without anybody who
// waits for it.
func unlessEnded(ctx context.Context, read func() (config.Loaded, error)) (config.Loaded, error) {
	var loaded config.Loaded
	done := make(chan error, 1)
	go func() {
		l, err := read()
		loaded = l
		done <- err
	}()
	select {
	case err := <-done:
		return loaded, err
	case <-ctx.Done():
		return config.Loaded{}, context.Cause(ctx)
	}
}

// pending is what a reload would change now, as far as that is known before it is tried.
func (p *process) pending() (api.Reloaded, error) {
	inForce := p.current.Load()
	if inForce == nil {
		return api.Reloaded{}, api.ErrStarting
	}
	began := time.Now()
	loaded, err := unlessEnded(p.reloads.ctx, p.from.again)
	if err == nil {
		err = needsNoRestart(inForce, loaded, p.limiting.Load() != nil)
	}
	if err != nil {
		return api.Reloaded{}, p.failure(loaded, err)
	}
	changes, err := inForce.reloadedTo(loaded)
	if err != nil {
		return api.Reloaded{}, p.failure(loaded, err)
	}
	changes.DurationSeconds = time.Since(began).Seconds()
	return changes, nil
}

// finish makes the rest of what a reload needs, and publishes it.
func (c *change) finish(ctx context.Context) error {
	if err := c.probe(ctx); err != nil {
		return err
	}
	if err := c.listenForAdmin(ctx); err != nil {
		return err
	}
	if err := c.listenForClients(ctx); err != nil {
		return err
	}
	return c.p.reloads.publish(c.publish)
}

// failure is why a reload failed: a mistake, or that the process stops.
func (p *process) failure(loaded config.Loaded, err error) error {
	if p.reloads.ctx.Err() != nil {
		return api.ErrStopping
	}
	return mistakes(loaded, err)
}

// mistakes are what is wrong with a configuration that can't be used.
func mistakes(loaded config.Loaded, err error) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		problems = config.Problems{{Text: err.Error()}}
	}
	var all api.Mistakes
	for _, p := range problems {
		where := config.Source{Name: p.Source, Line: p.Line}
		if p.Source == "" && p.Key != "" {
			where = loaded.Sources.Of(p.Key)
		}
		text := withoutValues(p, loaded.Sources).Text
		all = append(all, api.Mistake{Key: p.Key, Where: where.String(), Text: text})
	}
	return all
}

// reloadedTo is what a reload changes, and what it warns of.
func (f *inForce) reloadedTo(now config.Loaded) (r api.Reloaded, err error) {
	r.Changes = differences(f.Loaded, now)
	for _, w := range now.Warnings {
		r.Warnings = append(r.Warnings, w.String())
	}
	ofPools, err := f.pools.warnings(now.Config)
	for _, w := range ofPools { // They name backends of both.
		r.Warnings = append(r.Warnings, config.Redacted(w, f.Sources, now.Sources))
	}
	return r, err
}

// differences are what changes from one configuration to another.
func differences(from, to config.Loaded) (all []api.Difference) {
	for _, d := range config.Diff(from, to) {
		all = append(all, api.Difference{Key: d.Key, Kind: string(d.Kind), Old: d.Old, New: d.New})
	}
	return all
}

// shownKeys is how many of the changed keys the log shows.
const shownKeys = 20

// logReload logs what a reload has changed.
func (p *process) logReload(trigger string, r api.Reloaded, took time.Duration) {
	for _, w := range r.Warnings {
		p.log.Warn().Msg(w)
	}
	withChanges(p.log.Info().Str("trigger", trigger), r.Changes).Dur("took", took).Msg("reloaded")
}

// withChanges adds how many keys have changed to a line of the log, and the first of them.
func withChanges(line *zerolog.Event, changes []api.Difference) *zerolog.Event {
	kinds, keys := map[string]int{}, []string{}
	for i, d := range changes {
		kinds[d.Kind]++
		if i < shownKeys {
			keys = append(keys, d.Key)
		}
	}
	return line.Int("added", kinds[string(config.Added)]).Int("removed", kinds[string(config.Removed)]).
		Int("changed", kinds[string(config.Changed)]+kinds[string(config.Content)]).Strs("keys", keys)
}
