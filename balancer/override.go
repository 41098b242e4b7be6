package balancer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxWeight is the largest weight of a backend. The least is 1.
const MaxWeight = 100

// Override is what an operator said of a backend while traffic ran. It wins over the configuration.
// A zero field leaves what the configuration says.
type Override struct {
	State State
	// Weight is from 1 to MaxWeight.
	Weight int
}

// ErrNoBackend is the error for a URL that no backend of the pool has.
var ErrNoBackend = errors.New("no such backend")

// Check returns an error that names a value which can't be, and what is wanted.
func (o Override) Check() error {
	if o.Weight < 0 || o.Weight > MaxWeight {
		return fmt.Errorf("unexpected weight %d; want 1 to %d", o.Weight, MaxWeight)
	}
	if o.State == "" {
		return nil
	}
	_, err := ParseState(string(o.State))
	return err
}

// String has what it says: "state drain, weight 2".
func (o Override) String() string {
	var all []string
	if o.State != "" {
		all = append(all, "state "+string(o.State))
	}
	if o.Weight != 0 {
		all = append(all, fmt.Sprint("weight ", o.Weight))
	}
	return strings.Join(all, ", ")
}

// over is o, and where it says nothing, what another one says.
func (o Override) over(other Override) Override {
	return Override{State: cmp.Or(o.State, other.State), Weight: cmp.Or(o.Weight, other.Weight)}
}

// Override has what an operator says of a backend win over the configuration, at once. What an
// earlier Override said stays where this one says nothing. A backend that comes back from
// maintenance is probed before it gets requests. It holds for all addresses of the URL. The error
// is ErrNoBackend, or that of Check.
func (p *Pool) Override(url string, o Override) (BackendStatus, error) {
	if err := o.Check(); err != nil {
		return BackendStatus{}, err
	}
	return p.override(url, func(id string) Override { return p.overrides.add(id, o) })
}

// ClearOverride has what the configuration says of a backend count again, at once, also in place of
// an override that isn't loaded yet. The error is ErrNoBackend.
func (p *Pool) ClearOverride(url string) (BackendStatus, error) {
	return p.override(url, func(id string) Override { p.overrides.remove(id); return Override{} })
}

// override has an override of a backend changed, by its id, and puts in force what that returns.
func (p *Pool) override(url string, change func(id string) Override) (BackendStatus, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.of(url)
	if len(all) == 0 || p.watchers.isClosed() {
		return BackendStatus{}, ErrNoBackend
	}
	o := change(p.id(url))
	for _, b := range all {
		if o != b.override {
			p.take(b, o)
		}
	}
	return p.together(all), nil
}

// take puts a backend's override in force. The caller holds p.mu.
func (p *Pool) take(b *Backend, o Override) {
	b.want(b.settings.Weight, b.settings.State, o)
	p.publish()
	p.watchers.tend(p)
	message := "an operator's override is in force"
	if o == (Override{}) {
		message = "the configuration counts again, without an override"
	}
	p.log.Info().Str("pool", p.name).Str("backend", b.Name()).
		Str("state", string(b.state())).Int("weight", b.weight()).Msg(message)
	p.logIfNoneHealthy()
}

// overrideOf is a backend's override, which may have been loaded and not be in force yet. The
// caller holds p.mu.
func (p *Pool) overrideOf(b *Backend) Override { return p.overrides.of(p.id(b.URL())) }

// takeAll puts the overrides in force that were loaded.
func (p *Pool) takeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.backends {
		if o := p.overrideOf(b); o != b.override {
			p.take(b, o)
		}
	}
}

// Leaving are the overrides whose backends a Change to the kept ones removes; with none kept, they
// are those whose backends Remove removes.
func (p *Pool) Leaving(kept []BackendSettings) (all []Leaving) {
	p.mu.Lock()
	defer p.mu.Unlock()
	unread, shared := !p.overrides.isLoaded(), p.overrides.areShared()
	for _, url := range p.leaving(kept) {
		l := Leaving{p.id(url), p.overrides.of(p.id(url)), unread, shared}
		if l.Unread || l.Override != (Override{}) {
			all = append(all, l)
		}
	}
	return all
}

// drop drops the overrides of backends whose URL none of the kept ones has. It keeps those that are
// shared: other processes may still have the backends. The caller holds p.mu.
func (p *Pool) drop(kept []BackendSettings) {
	if p.overrides.areShared() {
		return
	}
	for _, url := range p.leaving(kept) {
		p.overrides.remove(p.id(url))
	}
}

// leaving are the URLs of backends that none of the kept ones has. The caller holds p.mu.
func (p *Pool) leaving(kept []BackendSettings) (urls []string) {
	for _, b := range p.backends {
		stays := slices.ContainsFunc(kept, func(k BackendSettings) bool { return k.URL == b.URL() })
		if !stays && !slices.Contains(urls, b.URL()) {
			urls = append(urls, b.URL())
		}
	}
	return urls
}

// ids are those of all backends, with those that are prepared.
func (p *Pool) ids() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range slices.Concat(p.backends, p.prepared) {
		all = append(all, p.id(b.URL()))
	}
	return all
}

// id is what a backend goes by among all pools' backends.
func (p *Pool) id(url string) string { return backendID(p.name, url) }
