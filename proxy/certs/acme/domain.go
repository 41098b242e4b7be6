package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// domain is one whose certificate is kept.
type domain struct {
	name   string
	config *config
	cancel context.CancelFunc
	// failure is why there is no certificate, or no newer one; nil as long as nothing has failed.
	// mu of the Manager guards it.
	failure error
}

// begin keeps a domain's certificate from now on. The caller holds mu.
func (m *Manager) begin(name string, c *config) {
	ctx, cancel := context.WithCancel(m.ctx)
	d := &domain{name: name, config: c, cancel: cancel}
	m.domains[name] = d
	m.running.Go(func() { m.keep(ctx, d) })
}

// keep keeps a domain's certificate until ctx ends.
func (m *Manager) keep(ctx context.Context, d *domain) {
	for failures := 0; ; {
		life, err := m.refresh(ctx, d, failures)
		if ctx.Err() != nil {
			return
		}
		wait := m.untilNextLook(life)
		if err == nil {
			failures = 0
		} else {
			failures++
			wait = m.retryAfter(failures, err)
			m.warn(d, err, wait)
		}
		m.note(d, err)
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// warn logs why a domain's certificate is not there, or not another one.
func (m *Manager) warn(d *domain, err error, wait time.Duration) {
	message := "there is no certificate yet"
	if s, ok := (*m.served.Load())[d.name]; ok && !s.selfSigned {
		message = "there is no newer certificate yet, and clients get the one that there is"
	}
	m.log.Warn().Err(err).Str("domain", d.name).Stringer("again_in", wait.Round(time.Second)).Msg(message)
}

// note keeps for operators how the last attempt ended.
func (m *Manager) note(d *domain, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d.failure = err
}

// refresh publishes the certificate that is in the store. It orders another one if there is none,
// or if it is time for a newer one. It returns for how long the one that is published is good.
func (m *Manager) refresh(ctx context.Context, d *domain, failures int) (life time.Duration, err error) {
	// What is there is published before its turn comes, which may take as long as an order.
	life, err = m.load(ctx, d)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !m.isTorn(ctx, d) {
		return 0, err
	}
	if err := m.storage.Lock(ctx, turn(d.name)); err != nil {
		return life, err
	}
	// A lock that can't be released ends by itself.
	defer func() { _ = m.storage.Unlock(context.WithoutCancel(ctx), turn(d.name)) }()
	return m.renew(ctx, d, failures)
}

// turn is the name of the lock of a domain, by which processes look at it one after the other.
// certmagic's own lock is not enough. It covers an order, but not the question to the authority
// when to renew: a process that gets the response after another one has renewed stores it with the
// new certificate, which is then taken for due.
func turn(domain string) string { return "turn_" + domain }

// renew is refresh, alone among the processes.
func (m *Manager) renew(ctx context.Context, d *domain, failures int) (life time.Duration, err error) {
	// Another process may have had its turn meanwhile. What it has obtained sets the pace by which
	// certmagic takes a certificate for due.
	life, err = m.load(ctx, d)
	defer m.forget(d)
	// After a failure certmagic asks the authority's test directory first, if it knows one.
	attempt := context.WithValue(ctx, certmagic.AttemptsCtxKey, &failures)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		err = d.config.ManageSync(attempt, []string{d.name})
	case m.isTorn(ctx, d):
		m.log.Warn().Str("domain", d.name).Msg("the certificate in the store is not that of the key beside it, " +
			"as after a process that was killed while it stored them: another one is ordered")
		err = d.config.RenewCertSync(attempt, d.name, true)
	}
	if err != nil {
		return life, err
	}
	return m.load(ctx, d)
}

// isTorn reports whether a certificate and a key are in the store that don't match. certmagic
// stores one after the other, and never mends what a crash leaves in between.
func (m *Manager) isTorn(ctx context.Context, d *domain) bool {
	issuer := d.config.Issuers[0].IssuerKey()
	key, err := m.storage.Load(ctx, certmagic.StorageKeys.SitePrivateKey(issuer, d.name))
	if err != nil {
		return false
	}
	chain, err := m.storage.Load(ctx, certmagic.StorageKeys.SiteCert(issuer, d.name))
	if err != nil {
		return false
	}
	_, err = tls.X509KeyPair(chain, key)
	return err != nil
}

// load publishes the certificate that is in the store.
func (m *Manager) load(ctx context.Context, d *domain) (life time.Duration, err error) {
	cert, err := d.config.CacheManagedCertificate(ctx, d.name)
	if err != nil {
		return 0, err
	}
	m.forget(d)
	m.publish(d, cert)
	return cert.Lifetime(), nil
}

// forget has certmagic's cache be without a domain. ManageSync does nothing for a certificate that
// is in there, since certmagic's own loop renews it.
func (m *Manager) forget(d *domain) {
	m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: d.name}})
}

const (
	// looksPerLife is how often a certificate's renewal is thought of in its life. It is due after
	// two thirds of that, if the authority doesn't say otherwise.
	looksPerLife = 30
	// soonestLook is the time between two looks at a certificate whose life is very short.
	soonestLook = time.Second
)

// untilNextLook is the time between two looks at a certificate that is good for so long.
func (m *Manager) untilNextLook(life time.Duration) time.Duration {
	return min(m.checkEvery, max(life/looksPerLife, soonestLook))
}

// The waits after failures double, from the first to the longest.
const (
	// An authority that refuses a domain is asked seldom: it allows some failures an hour.
	refusedFirst, refusedLongest = time.Minute, time.Hour
	// A store or an authority that is away may be there again soon.
	awayFirst, awayLongest = 5 * time.Second, 5 * time.Minute
)

// retryAfter is how long to wait after failures, with some chance, so that the domains don't all
// come at once.
func retryAfter(failures int, err error) time.Duration {
	first, longest := awayFirst, awayLongest
	if errors.As(err, new(acme.Problem)) {
		first, longest = refusedFirst, refusedLongest
	}
	const most = 10 // doublings
	wait := min(first<<min(failures-1, most), longest)
	return wait + rand.N(wait/4)
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
