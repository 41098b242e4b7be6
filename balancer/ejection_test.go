package balancer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// strict are ejections whose numbers are easy to tell apart.
var strict = EjectionSettings{
	Consecutive: 3, Statuses: []StatusRange{{502, 504}}, Interval: 10 * time.Second,
	Deviations: 2, MinRequests: 10, MinBackends: 2,
	Time: 7 * time.Second, MaxTime: 20 * time.Second, MaxPercent: 50, PanicPercent: 30,
}

// ejecting is a world of backends with names from "a" on that runs with these ejections.
func ejecting(t *testing.T, s EjectionSettings, n int) *world {
	var all []BackendSettings
	for i := range n {
		all = append(all, ready(string(rune('a'+i))))
	}
	w := newWorld(all...)
	w.settings.Ejection = s
	w.Prepare(w.settings).Apply()
	w.Probe(t.Context())
	w.run(t)
	synctest.Wait()
	w.logged(t)
	return w
}

// end has so many attempts at a backend end like that.
func (w *world) end(url string, n int, r Result) {
	w.mu.Lock()
	b := w.find(url)
	w.mu.Unlock()
	for range n {
		if b.begin(0) == nil {
			b.end(0, r)
		}
	}
	synctest.Wait()
}

func (w *world) ejected() (urls []string) {
	for _, s := range w.Status() {
		if s.Ejected {
			urls = append(urls, s.URL)
		}
	}
	return urls
}

var (
	broken  = Result{Fault: Broke}
	refused = Result{Status: 502}
	fine    = Result{Status: 200, Latency: time.Millisecond}
)

// A backend is ejected at once when so many requests in a row have failed, and it comes back with
// the probe at the end of its time.
func TestEjectionAfterFailuresInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := ejecting(t, strict, 3)
		w.end("a", 2, broken)
		w.end("a", 1, Result{}) // It shows nothing.
		w.end("a", 1, Result{Status: 500})
		w.end("a", 2, refused)
		assert.Empty(t, w.ejected())
		w.end("a", 1, Result{Fault: Late})
		assert.Equal(t, []string{"a"}, w.ejected())
		assert.Equal(t, []string{"b", "c"}, w.available())
		s := w.Status()[0]
		assert.True(t, s.Healthy)
		assert.Equal(t, "3 requests in a row failed", s.EjectedWhy)
		assert.Equal(t, strict.Time, time.Until(s.EjectedUntil))
		assert.Equal(t, time.UTC, s.EjectedUntil.Location())

		pass(strict.Time - time.Nanosecond)
		assert.Equal(t, []string{"b", "c"}, w.available())
		pass(time.Nanosecond)
		assert.Equal(t, []string{"a", "b", "c"}, w.available())
		assert.EqualValues(t, 1, w.Status()[0].Ejections)
		assert.Equal(t, []string{
			"warn backend is ejected: it gets no requests until that time has passed and a probe succeeds: a, , 0: ",
			"info backend is back after its ejection: a, , 0: connected in 0.0ms",
		}, w.logged(t))
	})
}

// An ejection outlasts its time while probes fail.
func TestEjectionEndsWithAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := ejecting(t, strict, 3)
		w.end("a", 3, broken)
		w.hang("a", true)
		pass(strict.Time + time.Second)
		assert.Equal(t, []string{"a"}, w.ejected())
		w.hang("a", false)
		pass(patient.Timeout + time.Duration(patient.Rise)*patient.Interval)
		assert.Empty(t, w.ejected())
		assert.Equal(t, []string{"a", "b", "c"}, w.available())
	})
}

// Each ejection lasts longer than the one before, up to the most, and calm makes up for them.
func TestEjectionsGrow(t *testing.T) {
	var e ejection
	now := time.Unix(0, 0)
	eject := func() time.Duration {
		e.begin(now, "why", &strict)
		lasts := e.until.Sub(now)
		assert.False(t, e.passed(e.until.Add(-1)))
		now = e.until
		assert.True(t, e.passed(now))
		return lasts / time.Second
	}
	assert.EqualValues(t, 7, eject())
	assert.EqualValues(t, 14, eject())
	now = now.Add(strict.Time - 1)
	assert.EqualValues(t, 20, eject())
	now = now.Add(strict.Time)
	assert.EqualValues(t, 20, eject())
	now = now.Add(2 * strict.Time)
	assert.EqualValues(t, 14, eject())
	now = now.Add(time.Hour)
	assert.EqualValues(t, 7, eject())
	assert.EqualValues(t, 6, e.count)
}

// No more are ejected than may be, those that failed while there was no room follow within a
// second, and the last one stays.
func TestEjectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := ejecting(t, strict, 4)
		w.end("a", 3, broken)
		w.end("b", 3, broken)
		w.end("c", 3, broken)
		assert.Equal(t, []string{"a", "b"}, w.ejected())
		w.set("a", errRefused) // It stays ejected.
		pass(strict.Time + second)
		assert.Equal(t, []string{"a", "c"}, w.ejected())

		alone := ejecting(t, EjectionSettings{Consecutive: 1, Time: time.Hour, MaxPercent: 99}, 2)
		alone.end("a", 1, broken)
		alone.end("b", 1, broken)
		assert.Equal(t, []string{"a"}, alone.ejected())
	})
}

// If too few backends are left, because of probes or of operators, ejected ones get requests.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := strict
		s.Time, s.MaxTime = time.Hour, time.Hour
		w := ejecting(t, s, 4)
		w.end("a", 3, broken)
		w.end("b", 3, broken)
		assert.Equal(t, []string{"c", "d"}, w.available())
		w.set("c", errRefused)
		pass(patient.Interval * 3)
		assert.Equal(t, []string{"a", "b", "d"}, w.available(), "1 of 4 is less than 30 %")
		w.set("c", nil)
		pass(patient.Interval * 2)
		assert.Equal(t, []string{"c", "d"}, w.available())
		assert.Equal(t, []string{
			"warn backend is ejected: it gets no requests until that time has passed and a probe succeeds: a, , 0: ",
			"warn backend is ejected: it gets no requests until that time has passed and a probe succeeds: b, , 0: ",
			"warn backend is down: c, ready, 3: connect: connection refused",
			"error too few backends are left: ejected ones get requests all the same",
			"info backend is up: c, ready, 2: connected in 0.0ms",
			"info enough backends are left: ejected ones get no requests again",
		}, w.logged(t))

		_, err := w.Override("c", Override{State: Drain})
		require.NoError(t, err)
		_, err = w.Override("d", Override{State: Drain})
		require.NoError(t, err)
		assert.Equal(t, []string{"a", "b"}, w.available(), "nobody else is left")
	})
}

// Maintenance and settings without ejections end an ejection.
func TestEjectionIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := strict
		s.Time, s.MaxTime = time.Hour, time.Hour
		w := ejecting(t, s, 3)
		w.end("a", 3, broken)
		for _, state := range []State{Maint, Ready} {
			_, err := w.Override("a", Override{State: state})
			require.NoError(t, err)
		}
		synctest.Wait()
		assert.Equal(t, []string{"a", "b", "c"}, w.available())

		w.end("a", 3, broken)
		w.settings.Ejection = EjectionSettings{}
		w.Prepare(w.settings).Apply()
		assert.Equal(t, []string{"a", "b", "c"}, w.available())
		w.end("a", 100, broken)
		pass(time.Minute)
		assert.Empty(t, w.ejected())
	})
}

// A backend whose requests go far worse than those of the others is ejected at the end of an
// interval.
func TestEjectionOfOutliers(t *testing.T) {
	slow := Result{Status: 200, Latency: 30 * time.Millisecond}
	f := func(success, latency bool, n int, of func(w *world), why string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			s := strict
			s.Consecutive, s.SuccessRate, s.Latency = 0, success, latency
			w := ejecting(t, s, n)
			pass(s.Interval - second)
			of(w)
			assert.Empty(t, w.ejected())
			pass(2 * second)
			got := ""
			for _, b := range w.Status() {
				got += b.EjectedWhy
			}
			assert.Equal(t, why, got)
		})
	}
	mixed := func(url string, good, bad int, as Result) func(w *world) {
		return func(w *world) {
			for i := range len(w.backends) {
				w.end(string(rune('a'+i)), 20, fine)
			}
			w.end(url, good, fine)
			w.end(url, bad, as)
		}
	}
	f(true, false, 3, mixed("a", 60, 20, broken), "80% of its requests succeeded, 100% of the others'")
	f(true, false, 3, mixed("a", 60, 20, refused), "80% of its requests succeeded, 100% of the others'")
	f(true, false, 3, mixed("a", 0, 2, broken), "")
	f(false, true, 3, mixed("a", 60, 20, broken), "")
	f(false, true, 3, mixed("a", 0, 20, slow), "its responses took 15.5ms on average, the others' 1.0ms")
	f(false, true, 3, mixed("a", 20, 10, slow), "") // It isn't 10 ms more.
	f(true, true, 3, mixed("a", 0, 20, slow), "its responses took 15.5ms on average, the others' 1.0ms")
	f(true, true, 1, mixed("a", 0, 20, broken), "")
	f(true, false, 3, func(w *world) { // Only one has had requests enough.
		w.end("a", 10, broken)
		w.end("b", 9, fine)
		w.end("c", 9, fine)
	}, "")
	f(true, false, 3, func(w *world) { // All are alike.
		for i := range 3 {
			w.end(string(rune('a'+i)), 20, broken)
		}
	}, "")
}

func TestOutliersAreFarFromTheOthers(t *testing.T) {
	rates := func(all ...int64) (compare []compared) {
		for _, failed := range all {
			compare = append(compare, compared{traffic: traffic{ended: 100, failed: failed}})
		}
		return compare
	}
	count := func(deviations float64, all ...int64) int {
		return len(failureRate.outliers(rates(all...), deviations))
	}
	assert.Equal(t, 1, count(3, 11, 0, 0))
	assert.Zero(t, count(3, 9, 0, 0), "less than a tenth")
	assert.Equal(t, 1, count(3, 49, 0, 20), "the others are 10 apart from their mean")
	assert.Zero(t, count(4, 49, 0, 20))
	assert.Equal(t, 2, count(1, 90, 90, 0, 0, 0, 0, 0))
	assert.Zero(t, count(1, 100, 100, 100))
}

// The counters of a request that succeeds cost nothing but reads.
func TestResultsAllocateNothing(t *testing.T) {
	p := poolOf(RoundRobin, 1, 1, 1)
	s := strict
	s.SuccessRate, s.Latency = true, true
	p.judging.use(s, p.backends, time.Now())
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		attempts := p.Attempts(Client{}, Retry{Most: 1})
		for _, r := range []Result{refused, fine} {
			if a, err := attempts.Next(); err == nil {
				a.End(r)
			}
		}
	}))
}

// The budget is a part of the requests of the second before, or the floor.
func TestBudget(t *testing.T) {
	var b budget
	takes := func() (n int) {
		for n < 1000 && b.take() {
			n++
		}
		return n
	}
	b.use(nil)
	assert.Equal(t, 1000, takes(), "nothing is bounded")
	b.use(&BudgetSettings{Percent: 20, Floor: 3})
	b.renew(0)
	assert.Equal(t, 3, takes())
	b.renew(103)
	assert.Equal(t, 20, takes(), "100 requests and 3 retries")
	b.giveBack()
	assert.Equal(t, 1, takes())
	b.renew(10)
	assert.Equal(t, 3, takes())
	b.use(&BudgetSettings{Percent: 20, Floor: 5})
	assert.Equal(t, 2, takes(), "of the new floor, 3 are spent")
}

// BenchmarkAttempt is what a request costs that succeeds at its first backend: with ejections, a
// budget and retries configured, and without.
func BenchmarkAttempt(b *testing.B) {
	all := strict
	all.SuccessRate, all.Latency = true, true
	for name, s := range map[string]EjectionSettings{"bare": {}, "all": all} {
		b.Run(fmt.Sprint("config=", name), func(b *testing.B) {
			p := poolOf(RoundRobin, 1, 1, 1)
			p.judging.use(s, p.backends, time.Now())
			if name == "all" {
				p.budget.use(&BudgetSettings{Percent: 20, Floor: 10})
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					attempts := p.Attempts(Client{}, Retry{Most: 1})
					if a, err := attempts.Next(); err == nil {
						a.End(fine)
					}
				}
			})
		})
	}
}
