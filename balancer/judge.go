package balancer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// second is the time between two looks at the traffic of a pool.
const second = time.Second

// judging is what a pool remembers of the traffic. Pool.mu guards it, except for the alarm.
type judging struct {
	settings EjectionSettings
	rules    *liveRules
	// alarm is sent to by a request that found that a backend has failed often enough.
	alarm chan struct{}
	// compared is when backends were compared last.
	compared time.Time
	// panics is true while ejected backends get requests, since too few others are left.
	panics bool
}

// use puts settings in force. The caller holds Pool.mu.
func (j *judging) use(s EjectionSettings, backends []*Backend, now time.Time) {
	j.settings, j.rules = s, newLiveRules(&s, j.alarm)
	j.compared = now
	for _, b := range backends {
		b.live.rules.Store(j.rules)
		b.compared = b.traffic()
		if s.none() && b.ejection.is() {
			b.ejection.end(now)
		}
	}
}

// judge looks at the traffic, until ctx ends: every second, and at once when an alarm is raised.
func (p *Pool) judge(ctx context.Context) {
	tick := time.NewTicker(second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.judging.alarm:
			p.judgeNow(time.Now(), false)
		case <-tick.C:
			p.judgeNow(time.Now(), true)
		}
	}
}

// judgeNow ejects the backends that have failed often enough. If a second has passed, it renews the
// budget of retries.
func (p *Pool) judgeNow(now time.Time, tick bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if tick {
		p.renewBudget()
	}
	var ejected bool
	for _, b := range p.backends {
		if n := b.live.streak.Load(); n >= p.judging.rules.consecutive && p.judging.rules.consecutive > 0 {
			ejected = p.eject(b, now, fmt.Sprintf("%d requests in a row failed", n)) || ejected
		}
	}
	if s := &p.judging.settings; (s.SuccessRate || s.Latency) && now.Sub(p.judging.compared) >= s.Interval {
		ejected = p.compare(now) || ejected
	}
	if ejected {
		p.publish()
	}
}

// compare ejects the backends whose requests went far worse than those of the others, since it was
// called last. It reports whether there is one. The caller holds p.mu.
func (p *Pool) compare(now time.Time) (ejected bool) {
	s := &p.judging.settings
	p.judging.compared = now
	var all []compared
	for _, b := range p.backends {
		traffic := b.traffic()
		if since := traffic.less(b.compared); b.pickable() && since.ended >= int64(max(s.MinRequests, 1)) {
			all = append(all, compared{b, since})
		}
		b.compared = traffic
	}
	if len(all) < max(s.MinBackends, 2) {
		return false
	}
	var found []outlier
	if s.SuccessRate {
		found = failureRate.outliers(all, s.Deviations)
	}
	if s.Latency {
		found = append(found, meanLatency.outliers(all, s.Deviations)...)
	}
	slices.SortStableFunc(found, func(a, b outlier) int { return cmp.Compare(b.by, a.by) })
	for _, o := range found {
		ejected = p.eject(o.backend, now, o.why) || ejected
	}
	return ejected
}

// eject ejects a backend, unless it gets no requests anyway, or too many are ejected. It reports
// whether it did. The caller holds p.mu.
func (p *Pool) eject(b *Backend, now time.Time, why string) bool {
	if !b.pickable() || !p.mayEject() {
		return false
	}
	b.ejection.begin(now, why, &p.judging.settings)
	p.watchers.retime([]*Backend{b})
	p.log.Warn().Str("pool", p.name).Str("backend", b.Name()).Str("why", why).
		Stringer("for", b.ejection.until.Sub(now)).Int64("ejections", b.ejection.count).
		Msg("backend is ejected: it gets no requests until that time has passed and a probe succeeds")
	return true
}

// mayEject reports whether one more backend may be ejected. The caller holds p.mu.
func (p *Pool) mayEject() bool {
	t := p.tier()
	//mutant:left more-are-ejected-than-may-be
	//mutant:right the-last-one-is-ejected
	return len(t.left) > 1 && (t.ejected()+1)*100 <= t.wanted*p.judging.settings.MaxPercent
}

// tier is the part of a pool's backends that requests go to: those that are no backups, or the
// backups if no other is available. Those that advise to drain are in none, if they are followed.
type tier struct {
	// wanted counts those that their operator wants, and downAndEjected those of them that are
	// ejected and whose probes fail, too.
	wanted, downAndEjected int
	// available are those whose probes succeed, and left those of them that aren't ejected.
	available, left []*Backend
}

// ejected counts those of the tier that are ejected.
func (t *tier) ejected() int { return len(t.available) - len(t.left) + t.downAndEjected }

// tier is the tier that counts now. The caller holds p.mu.
func (p *Pool) tier() (t tier) {
	var backups tier
	drains := p.followsDrains()
	for _, b := range p.backends {
		switch {
		case drains && b.advice.Drain:
		case b.settings.Backup:
			backups.add(b)
		default:
			t.add(b)
		}
	}
	if len(t.available) == 0 {
		return backups
	}
	return t
}

func (t *tier) add(b *Backend) {
	if b.state() == Ready {
		t.wanted++
	}
	switch {
	case b.pickable():
		t.available, t.left = append(t.available, b), append(t.left, b)
	case b.available():
		t.available = append(t.available, b)
	case b.state() == Ready && b.ejection.is():
		t.downAndEjected++
	}
}

// pickables are the backends that requests are picked from now: those that aren't ejected, unless
// too few are left. Each notes since when it may be picked. The caller holds p.mu.
func (p *Pool) pickables() []*Backend {
	t, before := p.tier(), p.judging.panics
	//mutant:false too-few-are-enough
	p.judging.panics = len(t.left) < len(t.available) &&
		(len(t.left) == 0 || len(t.left)*100 < t.wanted*p.judging.settings.PanicPercent)
	if p.judging.panics != before {
		p.logPanic(len(t.left), len(t.available))
	}
	drains := p.followsDrains()
	for _, b := range p.backends {
		drained := drains && b.advice.Drain
		b.noteSince(!drained && (b.pickable() || p.judging.panics && b.available()))
	}
	//mutant:true what-is-ejected-gets-requests
	if p.judging.panics {
		return t.available
	}
	return t.left
}

// logPanic logs that ejections don't count any more, or count again. The caller holds p.mu.
func (p *Pool) logPanic(left, available int) {
	event, message := p.log.Info(), "enough backends are left: ejected ones get no requests again"
	if p.judging.panics {
		event, message = p.log.Error(), "too few backends are left: ejected ones get requests all the same"
	}
	event.Str("pool", p.name).Int("left", left).Int("available", available).Msg(message)
}
