package balancer

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// BackendStatus is one backend as operators see it.
type BackendStatus struct {
	// Pool is the pool's name.
	Pool string
	// URL is the backend as the operator wrote it, and Address the one of its host that this is, if
	// each of them is a backend of its own; "" otherwise.
	URL, Address string
	// LookupError is why the last lookup of the URL's host failed; "" if it succeeded, or if names
	// are left to connects. Who looks them up fills it in.
	LookupError string
	// Weight is its share, from 1 to 100, and State what the operator wants of it. They are those
	// of Override, or else of Configured.
	Weight int
	State  State
	// Backup reports whether it gets requests only while no other backend is available.
	Backup bool
	// EffectiveWeight is what Weight has grown to in a slow start, and what Advice leaves of it, to
	// the hundredth. It is 0 while the backend gets no requests.
	EffectiveWeight float64
	// Configured is what the configuration says, and Override what an operator said since; the zero
	// Override is none. Stored reports whether a store has Override, or has none if there is none;
	// it is false until the store is loaded. While it is, a restart may undo what the operator said
	// last.
	Configured, Override Override
	Stored               bool
	// Healthy is what its probes found; false before the first of them.
	Healthy bool
	// LastProbe is what the last probe found, such as "200 in 0.8ms" or "connect: connection
	// refused"; "" before the first.
	LastProbe string
	// LastProbeAt is when that probe ended, in UTC; the zero time before the first.
	LastProbeAt time.Time
	// Advice is what it advised by its last probe that succeeded.
	Advice Advice
	// Probes are what its probes came to.
	Probes ProbeCounts
	// Ejected reports whether it is left out because of what its requests show, which is
	// EjectedWhy. It comes back with the first probe that succeeds after EjectedUntil, in UTC.
	Ejected      bool
	EjectedUntil time.Time
	EjectedWhy   string
	// Ejections counts how often that happened.
	Ejections int64
	// InFlight counts the requests that it has now, MaxInFlight is how many it may have; 0 is no
	// bound.
	InFlight, MaxInFlight int64
	// Requests counts all that were sent to it, Failures those that it broke.
	Requests, Failures int64
	// Measured is what they came to.
	Measured
}

// ID names the backend among those of all pools: POOL/URL, or POOL/URL@ADDRESS.
func (s BackendStatus) ID() string { return backendID(s.Pool, s.Name()) }

// Name names it among those of its pool.
func (s BackendStatus) Name() string {
	return (&BackendSettings{URL: s.URL, Address: s.Address}).Name()
}

func backendID(pool, url string) string { return pool + "/" + url }

// Status is what operators see of the backends, in the order of the settings. The counters of a
// busy backend are read one after the other, not at one moment.
func (p *Pool) Status() []BackendStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]BackendStatus, len(p.backends))
	for i, b := range p.backends {
		all[i] = p.status(b)
	}
	return all
}

// BackendStatus is what operators see of one backend, by its name, or of all addresses of a URL
// together. The error is ErrNoBackend.
func (p *Pool) BackendStatus(name string) (BackendStatus, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := p.find(name); b != nil {
		return p.status(b), nil
	}
	if all := p.of(name); len(all) > 0 {
		return p.together(all), nil
	}
	return BackendStatus{}, ErrNoBackend
}

// together is what operators see of all addresses of a URL. The caller holds p.mu.
func (p *Pool) together(all []*Backend) BackendStatus {
	each := make([]BackendStatus, len(all))
	for i, b := range all {
		each[i] = p.status(b)
	}
	return Together(each)
}

// Together is what operators see of all addresses of a URL. There must be at least one. What the
// requests to each came to isn't Measured together.
func Together(all []BackendStatus) BackendStatus {
	s := all[0]
	if s.Address == "" {
		return s
	}
	s.Address, s.Advice, s.Measured, s.Probes = "", Advice{}, Measured{}, ProbeCounts{}
	s.Ejected, s.EjectedUntil, s.EjectedWhy = false, time.Time{}, ""
	healthy := 0
	for i, one := range all {
		if one.Healthy {
			healthy++
		}
		if i == 0 {
			continue
		}
		s.EffectiveWeight += one.EffectiveWeight
		s.Ejections += one.Ejections
		s.InFlight += one.InFlight
		s.Requests += one.Requests
		s.Failures += one.Failures
		if one.LastProbeAt.After(s.LastProbeAt) {
			s.LastProbeAt = one.LastProbeAt
		}
	}
	s.Healthy = healthy > 0
	s.LastProbe = fmt.Sprintf("%d of %d addresses are healthy", healthy, len(all))
	return s
}

// effectiveWeight is a backend's weight as picks have it now. The caller holds p.mu.
func (p *Pool) effectiveWeight(b *Backend) float64 {
	picker := p.picker.Load()
	if picker == nil || !slices.Contains(picker.backends, b) {
		return 0
	}
	return math.Round(float64(b.weight()*(100-b.advice.Less))*picker.warmth(b, picker.now())) / 100
}

// status is what operators see of a backend. The caller holds p.mu.
func (p *Pool) status(b *Backend) BackendStatus {
	// Failures are read first, so that they never exceed the requests.
	failed := b.live.faults.Load()
	all, inFlight := b.places.counts()
	return BackendStatus{
		Pool: p.name,
		URL:  b.URL(), Address: b.settings.Address,
		Weight: b.weight(),
		State:  b.state(),
		Backup: b.settings.Backup,

		EffectiveWeight: p.effectiveWeight(b),

		Configured:  Override{State: b.settings.State, Weight: b.settings.Weight},
		Override:    b.override,
		Stored:      p.overrides.stored(p.id(b.URL()), b.override),
		Healthy:     b.health.up,
		LastProbe:   b.probes.last().Found,
		LastProbeAt: b.probes.last().At,
		Advice:      b.advice,
		Probes:      b.probes.counted(),
		Ejected:     b.ejection.is(), EjectedUntil: b.ejection.until.UTC(), EjectedWhy: b.ejection.why,
		Ejections: b.ejection.count,
		InFlight:  inFlight, MaxInFlight: int64(b.places.most.Load()),
		Requests: all,
		Failures: failed,
		Measured: b.measured(),
	}
}
