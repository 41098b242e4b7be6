package balancer

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// changed are the world's settings with other backends.
func (w *world) changed(backends ...BackendSettings) Settings {
	s := w.settings
	s.Backends = backends
	return s
}

// change changes the pool as a reload does.
func (w *world) change(t *testing.T, s Settings) {
	c := w.Prepare(s)
	c.Probe(t.Context())
	c.Apply()
}

// byURL is a backend of the pool.
func (w *world) byURL(url string) *Backend {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.find(url)
}

// A backend is kept with all that is known of it, unless its address or its TLS is another one.
func TestChangeKeepsBackends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"), BackendSettings{URL: "s", TLSIdentity: "1", Weight: 1, State: Ready})
		w.set("b", errRefused)
		w.Probe(t.Context())
		a, b, s := w.byURL("a"), w.byURL("b"), w.byURL("s")
		require.NoError(t, a.begin(0))
		w.logged(t)

		heavier := ready("a")
		heavier.Weight = 3
		w.change(t, w.changed(ready("b"), heavier, BackendSettings{URL: "s", TLSIdentity: "2", Weight: 1, State: Ready}, ready("n")))
		assert.Same(t, a, w.byURL("a"))
		assert.Same(t, b, w.byURL("b"))
		assert.NotSame(t, s, w.byURL("s"))
		assert.EqualValues(t, 1, s.prober.(*fakeProber).retired.Load())
		assert.Zero(t, a.prober.(*fakeProber).retired.Load())
		assert.Equal(t, []string{"a", "s", "a", "n", "a"}, w.available())
		assert.Len(t, w.asked["a"], 1, "only the new ones are probed")
		assert.Equal(t, []string{"info backend is up: s, ready, 1: connected in 0.0ms", "info backend is up: n, ready, 1: connected in 0.0ms"}, w.logged(t))
		status := w.Status()[1]
		assert.EqualValues(t, 1, status.InFlight)
		assert.EqualValues(t, 1, status.Requests)
		assert.Equal(t, 3, status.Weight)
	})
}

// Nothing is changed before Apply, and a new backend gets no request before its first probe.
func TestChangeIsPreparedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.Probe(t.Context())
		before := w.Status()
		c := w.Prepare(w.changed(ready("n")))
		c.Probe(t.Context())
		assert.Equal(t, before, w.Status())
		assert.Equal(t, []string{"a"}, w.available())
		fresh := c.backends[0]
		c.Discard()
		assert.EqualValues(t, 1, fresh.prober.(*fakeProber).retired.Load())
		assert.Equal(t, before, w.Status())

		w.set("n", errRefused)
		w.change(t, w.changed(ready("a"), ready("n")))
		assert.Equal(t, []string{"a"}, w.available(), "a dead one is there, and gets no request")
		w.change(t, w.changed(ready("n")))
		assert.False(t, w.Healthy())

		c = w.Prepare(w.changed(ready("a")))
		c.Apply()
		assert.False(t, w.Healthy(), "it wasn't probed")
	})
}

// New backends are probed at the same time, within the new timeout.
func TestChangeProbesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.hang("x", true)
		w.hang("y", true)
		s := w.changed(ready("x"), ready("y"), ready("z"))
		s.Health.Timeout = 3 * time.Second
		began := time.Now()
		w.change(t, s)
		assert.Equal(t, 3*time.Second, time.Since(began))
		assert.Equal(t, []string{"z"}, w.available())
	})
}

// Picks that run through changes only ever get backends that are in the pool or just were, and all
// that they take is given back.
func TestPicksThroughChanges(t *testing.T) {
	p := NewPool(Settings{Strategy: RoundRobin, Health: patient})
	prober := func(BackendSettings) Prober {
		return &fakeProber{connect: func(context.Context) error { return nil }}
	}
	sets := [][]BackendSettings{
		{ready("a"), ready("b")}, {ready("b"), ready("c"), {URL: "a", TLSIdentity: "2", Weight: 5, State: Ready}}, {ready("c")},
	}
	apply := func(n int) (all []*Backend) {
		c := p.Prepare(Settings{Backends: sets[n%len(sets)], Health: patient, NewProber: prober, MaxConnections: 2 + n%9, ClientShare: 0.5})
		c.Probe(t.Context())
		c.Apply()
		return c.backends
	}
	apply(0)
	done := make(chan struct{})
	var users sync.WaitGroup
	for client := range uint64(4) {
		users.Go(func() {
			for {
				attempts := p.Attempts(Client{Holder: (client + 1) << 60}, Retry{Most: 1})
				for n := 0; ; n++ {
					a, err := attempts.Next()
					if err != nil {
						assert.False(t, n == 0 && err == ErrNoneHealthy, "there is always a healthy one")
						break
					}
					a.End(Result{})
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	seen := map[*Backend]bool{}
	for n := range 500 {
		for _, b := range apply(n) {
			seen[b] = true
		}
	}
	close(done)
	users.Wait()
	for b := range seen {
		_, inFlight := b.places.counts()
		assert.Zero(t, inFlight)
		for s := b.places.shares.Load(); s != nil; s = s.before {
			assert.Zero(t, s.words())
		}
	}
}

// probesOf are when a backend was probed.
func (w *world) probesOf(url string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked[url])
}

// Probes follow a change: new backends are watched, removed ones aren't, and the rhythm of kept
// ones stays.
func TestProbesFollowAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.Probe(t.Context())
		w.run(t)
		pass(time.Minute)
		before := len(w.probesOf("a"))
		asked := map[string]int{}
		for range 20 {
			w.change(t, w.changed(ready("a"), ready("n")))
			w.change(t, w.changed(ready("a"), ready("m")))
			asked["b"], asked["n"] = len(w.probesOf("b")), len(w.probesOf("n"))
			pass(patient.Interval / 10)
		}
		assert.Empty(t, w.probesOf("b")[asked["b"]:], "it was removed")
		assert.Empty(t, w.probesOf("n")[asked["n"]:], "it was removed")
		kept := w.probesOf("a")
		require.Greater(t, len(kept), before)
		for i := range kept[1:] {
			gap := kept[i+1].Sub(kept[i])
			assert.LessOrEqual(t, gap, patient.Interval, "changes put off no probe")
			assert.True(t, i == 0 || gap >= patient.Interval*4/5, "and add none")
		}
		before = len(w.probesOf("m"))
		pass(time.Minute)
		assert.GreaterOrEqual(t, len(w.probesOf("m"))-before, 12)
	})
}

// Another interval counts at once: nobody waits for the end of a long one, and what is due then is
// spread.
func TestProbesTakeAnotherInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"), ready("c"))
		s := w.changed(ready("a"), ready("b"), ready("c"))
		s.Health.Interval = 10 * time.Hour
		w.change(t, s)
		w.run(t)
		pass(30 * time.Hour)
		began := map[string]int{"a": len(w.probesOf("a")), "b": len(w.probesOf("b")), "c": len(w.probesOf("c"))}
		s.Health.Interval = time.Minute
		changed := time.Now()
		w.change(t, s)
		pass(10 * time.Minute)
		firsts := map[time.Duration]bool{}
		for url, n := range began {
			times := w.probesOf(url)[n:]
			require.NotEmpty(t, times)
			first := times[0].Sub(changed)
			assert.LessOrEqual(t, first, time.Minute)
			firsts[first] = true
			assert.GreaterOrEqual(t, len(times), 9)
		}
		assert.Greater(t, len(firsts), 1, "they come spread")

		s.Health.Interval = time.Hour
		began["a"] = len(w.probesOf("a"))
		changed = time.Now()
		w.change(t, s)
		pass(2 * time.Hour)
		times := w.probesOf("a")[began["a"]:]
		require.NotEmpty(t, times)
		assert.GreaterOrEqual(t, times[0].Sub(changed), time.Hour*4/5-time.Minute, "no sooner than the new one says")
	})
}

// A new backend whose first probe was cut short is probed at once.
func TestChangeThatWasNotProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.Probe(t.Context())
		w.run(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c := w.Prepare(w.changed(ready("a"), ready("n")))
		c.Probe(ctx)
		c.Apply()
		synctest.Wait()
		assert.Equal(t, []string{"a", "n"}, w.available())
	})
}

// What changes of a kept backend counts from then on.
func TestChangeOfHealthSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.Probe(t.Context())
		w.run(t)
		s := w.changed(ready("a"), ready("b"))
		s.Health.Fall, s.Health.Rise = 1, 1
		w.change(t, s)
		w.set("b", errRefused)
		pass(patient.Interval)
		assert.Equal(t, []string{"a"}, w.available())
		w.set("b", nil)
		pass(patient.Interval)
		assert.Equal(t, []string{"a", "b"}, w.available())
	})
}

// A state of the file is an operator's word too.
func TestChangeOfState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.Probe(t.Context())
		w.run(t)
		to := func(s State) Settings {
			b := ready("b")
			b.State = s
			return w.changed(ready("a"), b)
		}
		w.change(t, to(Drain))
		assert.Equal(t, []string{"a"}, w.available())
		w.change(t, to(Ready))
		assert.Equal(t, []string{"a", "b"}, w.available(), "it was probed all along")
		w.change(t, to(Maint))
		w.change(t, to(Ready))
		assert.Equal(t, []string{"a"}, w.available(), "nothing is known of it")
		synctest.Wait()
		assert.Equal(t, []string{"a", "b"}, w.available(), "but it is probed at once")
	})
}

// A pool that is closed probes no more, and retires its probers. Those who hold it still get to its
// backends.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.Probe(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.Run(t.Context()) }()
		pass(time.Minute)
		w.Close()
		<-ended
		asked := len(w.probesOf("a"))
		pass(time.Minute)
		assert.Len(t, w.probesOf("a"), asked)
		assert.NotNil(t, w.first())
		for _, b := range w.backends {
			assert.EqualValues(t, 1, b.prober.(*fakeProber).retired.Load())
		}
		_, err := w.Override("a", Override{State: Drain})
		assert.Equal(t, ErrNoBackend, err, "it would be stored and never dropped")
		w.Close()

		w = newWorld(ready("a"))
		w.Close()
		w.Run(t.Context()) // returns
		assert.Empty(t, w.asked)
	})
}

// A retry doesn't go to the backend that was just removed.
func TestRetryAfterRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.Probe(t.Context())
		for _, removed := range []bool{false, true} {
			attempts := w.Attempts(Client{}, Retry{Most: 1})
			first, err := attempts.Next()
			require.NoError(t, err)
			first.End(Result{Fault: Broke})
			if removed {
				w.Prepare(w.changed(ready("n"))).Apply()
			}
			second, err := attempts.Next()
			if removed {
				assert.Equal(t, ErrNoneHealthy, err)
				continue
			}
			require.NoError(t, err)
			assert.Same(t, first.Backend, second.Backend)
			second.End(Result{})
		}
	})
}

// Another strategy counts at once, and the same one goes on where it is.
func TestChangeOfStrategy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"), ready("c"))
		w.Probe(t.Context())
		for range 10 {
			var seen []string
			for range 3 {
				w.change(t, w.changed(ready("a"), ready("b"), ready("c")))
				seen = append(seen, w.first().URL())
			}
			assert.Equal(t, []string{"a", "b", "c"}, seen, "no burst to the first")
		}
		s := w.changed(ready("a"), ready("b"), ready("c"))
		s.Strategy = LeastInFlight
		w.change(t, s)
		assert.IsType(t, &leastInFlight{}, w.picker.Load().chooser)
	})
}

// changeModel is what a property knows of a pool.
type changeModel struct {
	backends map[string]*Backend
	requests map[string]int64
	override map[string]Override
	settings map[string]BackendSettings
	up       map[string]bool
}

// Whatever the order of changes, probes, overrides and requests, backends are kept, their counters
// only rise, and requests get only to those that are available, by their weights.
func TestChangesOfAllKinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		down := map[string]bool{}
		newProber := func(b BackendSettings) Prober {
			return &fakeProber{connect: func(context.Context) error {
				if down[b.URL] {
					return errRefused
				}
				return nil
			}}
		}
		p := NewPool(Settings{Name: "p", Health: patient})
		m := changeModel{
			backends: map[string]*Backend{}, requests: map[string]int64{}, override: map[string]Override{},
			settings: map[string]BackendSettings{}, up: map[string]bool{},
		}
		urls := []string{"a", "b", "c", "d"}
		states := []State{Ready, Ready, Drain, Maint}
		drawBackend := func(url string) BackendSettings {
			return BackendSettings{
				URL: url, TLSIdentity: rapid.SampledFrom([]string{"1", "1", "2"}).Draw(t, "tls"),
				Weight: rapid.IntRange(1, 5).Draw(t, "weight"), State: rapid.SampledFrom(states).Draw(t, "state"),
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				var to []BackendSettings
				for _, url := range rapid.SliceOfDistinct(rapid.SampledFrom(urls), rapid.ID).Draw(t, "urls") {
					to = append(to, drawBackend(url))
				}
				s := Settings{
					Backends: to, Health: patient, NewProber: newProber,
					Strategy:       rapid.SampledFrom([]Strategy{RoundRobin, Random}).Draw(t, "strategy"),
					MaxConnections: rapid.IntRange(0, 20).Draw(t, "places"), ClientShare: 0.5,
				}
				c := p.Prepare(s)
				if probed := rapid.Bool().Draw(t, "probed"); probed {
					c.Probe(context.Background())
				}
				if rapid.IntRange(0, 4).Draw(t, "discard") == 0 {
					c.Discard()
					return
				}
				c.Apply()
				m.apply(t, p, c, down)
			},
			"flip": func(t *rapid.T) {
				url := rapid.SampledFrom(urls).Draw(t, "url")
				down[url] = !down[url]
				p.Probe(context.Background())
				for url, b := range m.backends {
					m.up[url] = b.health.up // The rise and fall of health have tests of their own.
				}
			},
			"override": func(t *rapid.T) {
				url := rapid.SampledFrom(urls).Draw(t, "url")
				o := Override{
					Weight: rapid.IntRange(0, 5).Draw(t, "weight"),
					State:  rapid.SampledFrom([]State{"", Ready, Drain, Maint}).Draw(t, "state"),
				}
				_, err := p.Override(url, o)
				if m.backends[url] == nil {
					assert.Equal(t, ErrNoBackend, err)
					return
				}
				require.NoError(t, err)
				m.override[url] = o.over(m.override[url])
				m.maintain(url)
			},
			"clear": func(t *rapid.T) {
				url := rapid.SampledFrom(urls).Draw(t, "url")
				if _, err := p.ClearOverride(url); err == nil {
					m.override[url] = Override{}
					m.maintain(url)
				}
			},
			"": func(t *rapid.T) { m.check(t, p) },
		})
	})
}

// apply notes what a change has done.
func (m *changeModel) apply(t *rapid.T, p *Pool, c *Change, down map[string]bool) {
	was := m.backends
	m.backends = map[string]*Backend{}
	for i, s := range c.settings.Backends {
		b := p.find(s.URL)
		require.NotNil(t, b)
		before, kept := was[s.URL], m.settings[s.URL]
		if before != nil && kept.TLSIdentity == s.TLSIdentity {
			assert.Same(t, before, b)
		} else {
			assert.NotSame(t, before, b)
			m.requests[s.URL] = 0
			if before == nil {
				m.override[s.URL] = Override{}
			}
			m.up[s.URL] = c.found[b].made && !down[s.URL]
		}
		m.backends[s.URL], m.settings[s.URL] = b, s
		assert.Same(t, p.backends[i], b, "the order is the settings'")
		m.maintain(s.URL)
	}
	for url, b := range was {
		if m.backends[url] != b {
			assert.EqualValues(t, 1, b.prober.(*fakeProber).retired.Load())
		}
	}
}

// maintain forgets the health of a backend in maintenance.
func (m *changeModel) maintain(url string) {
	if cmp.Or(m.override[url].State, m.settings[url].State) == Maint {
		m.up[url] = false
	}
}

// check makes a cycle of requests, and looks where they go.
func (m *changeModel) check(t *rapid.T, p *Pool) {
	want := map[string]int{}
	total := 0
	for url := range m.backends {
		if m.up[url] && cmp.Or(m.override[url].State, m.settings[url].State) == Ready {
			want[url] = cmp.Or(m.override[url].Weight, m.settings[url].Weight)
			total += want[url]
		}
	}
	assert.Equal(t, total > 0, p.Healthy())
	got := map[string]int{}
	for range total {
		got[p.first().URL()]++
	}
	for url, n := range got {
		m.requests[url] += int64(n)
		assert.Positive(t, want[url], "%s isn't available", url)
	}
	if p.strategy == RoundRobin {
		assert.Equal(t, want, got)
	}
	for _, s := range p.Status() {
		assert.Equal(t, m.requests[s.URL], s.Requests)
		assert.Zero(t, s.InFlight)
	}
}

// A kept backend has as many places as the new settings say, and what is taken stays taken.
func TestChangeOfPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.Probe(t.Context())
		a := w.byURL("a")
		s := w.changed(ready("a"))
		f := func(places int, share float64, want error) {
			t.Helper()
			s.MaxConnections, s.ClientShare = places, share
			w.change(t, s)
			assert.Equal(t, want, a.begin(7))
		}
		f(2, 1, nil)
		f(2, 1, nil)
		f(2, 1, ErrBusy)
		f(1, 1, ErrBusy)
		f(4, 1, nil)
		f(0, 1, nil)
		assert.EqualValues(t, 4, w.Status()[0].InFlight)
		f(10, 0.1, nil)
		f(10, 0.1, ErrClientShare)
		f(10, 0.2, nil)
	})
}
