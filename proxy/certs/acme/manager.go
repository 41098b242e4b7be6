package acme

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/rs/zerolog"
)

// Options are what a Manager is made of.
type Options struct {
	// Blobs is where certificates, their keys and the account are kept. If it is nil, that is
	// Folder, which is created, with files for this user only.
	Blobs  Blobs
	Folder string
	// Timeout bounds each call of Blobs.
	Timeout time.Duration
	Logger  zerolog.Logger

	// CheckEvery is how often a certificate's renewal is thought of at least; 0 is 10 minutes.
	CheckEvery time.Duration
	// RetryAfter is how long to wait after so many failures in a row, the last one being err; nil
	// is the usual.
	RetryAfter func(failures int, err error) time.Duration
	// LockTTL is for how long a process that died keeps others from a domain; 0 is 30 seconds.
	LockTTL time.Duration
}

// Manager keeps the certificates of domains. Its methods may be called concurrently.
type Manager struct {
	storage    certmagic.Storage
	log        zerolog.Logger
	cache      *certmagic.Cache
	plug       *plug
	checkEvery time.Duration
	retryAfter func(failures int, err error) time.Duration
	// lookups find the challenges of other processes.
	lookups *lookups
	// ctx ends with Close.
	ctx  context.Context
	stop context.CancelFunc

	// config is in force; nil before Use. served are the certificates by domain. Both are replaced
	// whole, with mu held.
	config atomic.Pointer[config]
	served atomic.Pointer[map[string]served]

	mu      sync.Mutex
	domains map[string]*domain
	// pace is what certmagic takes for the time between two looks at a certificate.
	pace    time.Duration
	running sync.WaitGroup
}

// New makes a Manager that has no domains yet. The caller must Close it.
func New(o Options) (*Manager, error) {
	m := &Manager{
		log: o.Logger, checkEvery: o.CheckEvery, retryAfter: o.RetryAfter,
		domains: map[string]*domain{},
	}
	m.lookups = newLookups(m.stored)
	if m.checkEvery == 0 {
		m.checkEvery = certmagic.DefaultRenewCheckInterval
	}
	if m.retryAfter == nil {
		m.retryAfter = retryAfter
	}
	m.storage = storageOf(o)
	m.served.Store(&map[string]served{})
	var err error
	if m.plug, err = newPlug(); err != nil {
		return nil, fmt.Errorf("a socket that keeps the ports of challenges free: %w", err)
	}
	m.ctx, m.stop = context.WithCancel(context.Background())
	m.pace = m.checkEvery
	m.cache = certmagic.NewCache(m.cacheOptions())
	return m, nil
}

// cacheOptions are those of certmagic's cache. Its loop, which would renew what is in the cache,
// has nothing to do: see forget.
func (m *Manager) cacheOptions() certmagic.CacheOptions {
	return certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return nil, errOurs },
		Logger:           newLogger(m.log), RenewCheckInterval: m.pace,
	}
}

// errOurs keeps certmagic's loop from a certificate that is in the cache for a moment.
var errOurs = errors.New("the goroutine of its domain renews it")

func storageOf(o Options) certmagic.Storage {
	if o.Blobs == nil {
		return &certmagic.FileStorage{Path: o.Folder}
	}
	s := newStorage(o.Blobs, o.Timeout)
	if o.LockTTL != 0 {
		s.locks.ttl, s.locks.poll = o.LockTTL, o.LockTTL/extensions
	}
	return s
}

// Use has the certificates of these domains be kept from now on. Those of domains that stay are
// served on. It changes memory only; what takes longer happens behind it.
func (m *Manager) Use(s Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.config.Load()
	next := &config{settings: s}
	if before != nil && before.settings.sameIssuer(s) {
		next.Config, next.issuer = before.Config, before.issuer
	} else {
		m.configure(next)
	}
	m.config.Store(next)
	for name, d := range m.domains {
		if !next.wants(name) || d.config.Config != next.Config {
			d.cancel()
			delete(m.domains, name)
		}
	}
	m.serveOnly(next)
	for _, name := range s.Domains {
		if m.domains[name] == nil {
			m.begin(name, next)
		}
	}
}

// serveOnly drops the certificates that aren't wanted any more, and serves those that are signed by
// ourselves while there are no others. The caller holds mu.
func (m *Manager) serveOnly(c *config) {
	all := map[string]served{}
	for _, name := range c.settings.Domains {
		if s, ok := (*m.served.Load())[name]; ok && (!s.selfSigned || c.settings.SelfSigned) {
			all[name] = s
			continue
		}
		if !c.settings.SelfSigned {
			continue
		}
		if s, err := selfSigned(name); err == nil {
			all[name] = s
		} else {
			m.log.Error().Err(err).Str("domain", name).Msg("no self-signed certificate could be made")
		}
	}
	m.served.Store(&all)
}

// publish puts a domain's certificate in force for its clients.
func (m *Manager) publish(d *domain, c certmagic.Certificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.domains[d.name] != d {
		return // It isn't wanted any more, or by another configuration.
	}
	all := maps.Clone(*m.served.Load())
	all[d.name] = served{certificate: &c.Certificate}
	m.served.Store(&all)
	m.keepPace(all)
}

// keepPace tells certmagic how often its certificates are looked at, by the one whose life is
// shortest. It takes one for due that ends within a few looks. The caller holds mu.
func (m *Manager) keepPace(all map[string]served) {
	pace := m.checkEvery
	for _, s := range all {
		if leaf := s.certificate.Leaf; !s.selfSigned {
			pace = min(pace, m.untilNextLook(leaf.NotAfter.Sub(leaf.NotBefore)))
		}
	}
	if pace != m.pace {
		m.pace = pace
		m.cache.SetOptions(m.cacheOptions())
	}
}

// Close ends what the Manager does behind, and releases its locks. If ctx ends first, it returns
// the cause of that.
func (m *Manager) Close(ctx context.Context) error {
	m.stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.running.Wait()
		m.cache.Stop()
		if s, ok := m.storage.(*storage); ok {
			s.stop()
		}
		m.plug.close()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the keeping of certificates didn't end: %w", context.Cause(ctx))
	}
}
