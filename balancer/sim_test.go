package balancer

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// The simulation runs a Pool, over a clock, probes and backends of its own, one step at a time.
// Nothing in it depends on goroutines or on time, so a seed determines all that happens. It looks
// after each step whether ejections, retries and the queue are as the settings say. mutant_test.go
// breaks the code to see that it notices.

const (
	simWorlds = 30
	// simSteps is how many steps one world takes.
	simSteps = 2_000
)

// simEnv sets how many worlds there are, and the first seed: "WORLDS,SEED".
const simEnv = "EQUALIZER_TEST_SIMULATION"

func TestSimulation(t *testing.T) {
	worlds, seed := simWorlds, uint64(1)
	if text := os.Getenv(simEnv); text != "" {
		if _, err := fmt.Sscanf(text, "%d,%d", &worlds, &seed); err != nil {
			t.Fatalf("%s=%q: want WORLDS,SEED", simEnv, text)
		}
	}
	total := map[string]int{}
	for last := seed + uint64(worlds); seed < last; seed++ {
		w := newSimWorld(seed)
		if why := w.run(); why != "" {
			t.Fatalf("simulation: %s\nat %v, with %+v. Again: %s=1,%d", why, w.now.Sub(simDawn), w.s, simEnv, seed)
		}
		for what, n := range w.count {
			total[what] += n
		}
	}
	t.Log(total)
	for _, what := range []string{
		"request", "failed request", "retry", "no budget", "ejection", "ejection for its success rate",
		"ejection for its latency", "return", "panic", "maintenance", "probe that failed", "reload",
		"wait", "wait of a retry", "place after a wait", "full queue", "wait that ended for another",
		"wait that took too long", "client that left", "wait that ended as nobody was healthy",
	} {
		if total[what] == 0 && worlds == simWorlds {
			t.Errorf("there was no %s", what)
		}
	}
}

// simWorld is a pool, and the oracle.
type simWorld struct {
	dice *rand.Rand
	s    Settings
	p    *Pool
	now  time.Time
	tick time.Time
	// backends are in the order of the pool's.
	backends []*simBackend
	// begun are the attempts of this second, and retries those of them that spent some of the
	// budget, granted how many retries it may have.
	begun, retries, granted int64
	simQueue
	// alarms is whether a backend has failed often enough to raise an alarm, and room whether one
	// more backend may be ejected.
	alarms, room bool
	count        map[string]int
	failure      string
}

// simBackend is a backend as it is, and what the oracle knows of it.
type simBackend struct {
	*Backend
	// fails and slow are the shares of the requests that fail, or take long. dead has its probes
	// fail, and its connects.
	fails, slow float64
	dead        bool
	probeAt     time.Time
	// streak is how many requests have failed in a row, and failed and slowed when one failed, or
	// took long, last.
	streak         int
	failed, slowed time.Time
	// ejected is whether it was when the oracle looked last, until when, how long, and how often in
	// a row without Time in between. returned is when it came back.
	ejected      bool
	until        time.Time
	lasted       time.Duration
	returned     time.Time
	passed       bool // a probe has passed since the oracle looked last
	inMaintained bool // it was in maintenance since
}

var simDawn = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func newSimWorld(seed uint64) *simWorld {
	w := &simWorld{dice: rand.New(rand.NewPCG(seed, 18)), now: simDawn, tick: simDawn, count: map[string]int{}}
	w.s = Settings{
		Name: "sim", Health: HealthSettings{Interval: time.Second, Timeout: time.Second, Rise: 1 + w.dice.IntN(2), Fall: 1 + w.dice.IntN(2)},
		Ejection: EjectionSettings{
			Consecutive: w.dice.IntN(6), Statuses: []StatusRange{{502, 504}},
			SuccessRate: w.flip(0.5), Latency: w.flip(0.5), Interval: 2 * time.Second,
			Deviations: 1 + 2*w.dice.Float64(), MinRequests: 20, MinBackends: 2 + w.dice.IntN(2),
			Time: time.Second, MaxTime: 4 * time.Second, MaxPercent: w.dice.IntN(100), PanicPercent: w.dice.IntN(80),
		},
		RetryBudget: &BudgetSettings{Percent: w.dice.IntN(50), Floor: w.dice.IntN(10)},
		NewProber:   func(BackendSettings) Prober { return &fakeProber{} },
		Logger:      zerolog.Nop(),
	}
	for i := range 2 + w.dice.IntN(7) {
		w.s.Backends = append(w.s.Backends, BackendSettings{
			URL: "http://" + string(rune('a'+i)), Addr: fmt.Sprint("127.0.0.1:", 9000+i), Weight: 1 + w.dice.IntN(3), State: Ready,
		})
	}
	w.p = NewPool(w.s)
	w.p.judging.compared = w.now
	w.p.queue.clock = func() moment { return moment(w.now.Sub(simDawn) + time.Hour) }
	w.p.queue.ticking = true // by the steps, and not by a timer
	w.bound()
	w.granted = int64(w.s.RetryBudget.Floor)
	for _, b := range w.p.backends {
		w.backends = append(w.backends, &simBackend{Backend: b})
	}
	return w
}

func (w *simWorld) flip(chance float64) bool { return w.dice.Float64() < chance }

func (w *simWorld) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
	}
}

// run takes steps, and returns what the oracle found.
func (w *simWorld) run() string {
	for range simSteps {
		w.now = w.now.Add(time.Duration(w.dice.Int64N(int64(20 * time.Millisecond))))
		w.change()
		w.probe()
		w.leave()
		for range w.dice.IntN(20) {
			if w.flip(0.5) {
				w.request()
			} else {
				w.finish()
			}
			w.settle()
		}
		w.tickQueue()
		if w.now.Sub(w.tick) >= second {
			w.tick = w.now
			w.p.judgeNow(w.now, true)
			w.look()
			w.lookForOthers()
			requests := max(0, w.begun-w.retries)
			w.granted = max(int64(w.s.RetryBudget.Floor), requests*int64(w.s.RetryBudget.Percent)/100)
			w.begun, w.retries = 0, 0
		}
		if w.failure != "" {
			return w.failure
		}
	}
	return ""
}

// change is what happens to backends.
func (w *simWorld) change() {
	b := w.backends[w.dice.IntN(len(w.backends))]
	switch w.dice.IntN(100) {
	case 0:
		b.fails = 1
	case 1:
		b.fails = w.dice.Float64()
	case 2:
		b.slow = w.dice.Float64()
	case 3, 4, 5:
		b.fails, b.slow, b.dead = 0, 0, false
	case 6:
		b.dead = true
	case 7: // All of them fail.
		for _, b := range w.backends {
			b.fails = 0.5
		}
	case 8:
		w.count["maintenance"]++
		b.inMaintained = true
		w.override(b, Maint)
		w.override(b, Ready)
	case 9:
		w.count["reload"]++
		w.bound()
	}
	w.collect()
}

func (w *simWorld) override(b *simBackend, s State) {
	if _, err := w.p.Override(b.URL(), Override{State: s}); err != nil {
		w.fail("an override: %v", err)
	}
	b.streak = int(b.live.streak.Load())
}

// probe probes the backends that are due.
func (w *simWorld) probe() {
	for _, b := range w.backends {
		if w.now.Before(b.probeAt) {
			continue
		}
		b.probeAt = w.now.Add(w.s.Health.Interval)
		var err error
		if b.dead {
			err = errors.New("refused")
			w.count["probe that failed"]++
		}
		b.passed = b.passed || err == nil
		wasUp := b.health.up
		w.p.mu.Lock()
		if w.p.learn(w.now, b.Backend, finding{what: "found", err: err}) {
			w.p.publish()
		}
		w.p.mu.Unlock()
		w.collect()
		if b.health.up != wasUp || b.ejected && !b.ejection.is() {
			b.streak = 0
		}
		w.look()
	}
}

// result is what an attempt shows of a backend.
func (w *simWorld) result(b *simBackend) Result {
	switch {
	case b.dead:
		return Result{Fault: Unreachable}
	case w.flip(b.fails) && w.flip(0.5):
		return Result{Fault: Broke, Latency: time.Millisecond}
	case w.flip(b.fails):
		return Result{Status: 502, Latency: time.Millisecond}
	case w.flip(b.slow):
		b.slowed = w.now
		return Result{Status: 200, Latency: time.Second}
	}
	return Result{Status: 200, Latency: time.Duration(1+w.dice.IntN(5)) * time.Millisecond}
}

// settle has the pool look at its backends if a request has raised the alarm, and looks itself.
func (w *simWorld) settle() {
	judged := w.alarm()
	w.collect()
	if w.look(); judged {
		w.lookForOthers()
	}
}

// alarm has the pool look at its backends if a request has raised the alarm.
func (w *simWorld) alarm() (judged bool) {
	select {
	case <-w.p.judging.alarm:
		w.p.judgeNow(w.now, false)
		judged = true
	default:
	}
	if w.alarms && !judged {
		w.fail("there was no alarm")
	}
	w.alarms = false
	return judged
}

// look is the oracle.
func (w *simWorld) look() {
	e := &w.s.Ejection
	var wanted, available, left, ejected int
	began := map[*simBackend]bool{}
	for _, b := range w.backends {
		w.lookAt(b, began)
		wanted++
		if b.health.up {
			available++
		}
		if b.ejection.is() {
			ejected++
		} else if b.health.up {
			left++
		}
	}
	if len(began) > 0 && (ejected*100 > wanted*e.MaxPercent || left == 0) {
		w.fail("%v are ejected: %d of %d, with %d left", slices.Collect(maps.Keys(began)), ejected, wanted, left)
	}
	if available > 0 && !w.p.Healthy() {
		w.fail("all are ejected")
	}
	panics := left < available && (left == 0 || left*100 < wanted*e.PanicPercent)
	if panics {
		w.count["panic"]++
	}
	if w.p.judging.panics != panics {
		w.fail("ejected backends get requests: %v; %d of %d are left", w.p.judging.panics, left, wanted)
	}
	w.room = left > 1 && (ejected+1)*100 <= wanted*e.MaxPercent
}

// lookForOthers looks for backends that should be ejected, after the pool has looked at all.
func (w *simWorld) lookForOthers() {
	for _, b := range w.backends {
		if most := w.s.Ejection.Consecutive; most > 0 && b.streak >= most && w.room && b.health.up && !b.ejection.is() {
			w.fail("%s has failed %d times in a row, and is not ejected", b.URL(), b.streak)
		}
	}
}

// lookAt looks at one backend. It is among began if its ejection has begun since the last look.
func (w *simWorld) lookAt(b *simBackend, began map[*simBackend]bool) {
	e := &w.s.Ejection
	is := b.ejection.is()
	switch {
	case is && !b.ejected:
		began[b] = true
		w.noteEjection(b)
	case !is && b.ejected:
		if !b.inMaintained && (!b.passed || w.now.Before(b.until)) {
			w.fail("%s is back %v before its time, a probe has passed: %v", b.URL(), b.until.Sub(w.now), b.passed)
		}
		w.count["return"]++
		b.returned = w.now
	case is && b.passed && !w.now.Before(b.until):
		w.fail("%s is not back, %v after its time, although a probe has passed", b.URL(), w.now.Sub(b.until))
	}
	if b.inMaintained {
		b.lasted = 0
	}
	b.ejected, b.until, b.passed, b.inMaintained = is, b.ejection.until, false, false
	if is && (b.lasted < e.Time || b.lasted > e.MaxTime) {
		w.fail("%s is ejected for %v", b.URL(), b.lasted)
	}
}

// noteEjection notes an ejection that has begun.
func (w *simWorld) noteEjection(b *simBackend) {
	e := &w.s.Ejection
	w.count["ejection"]++
	switch why := b.ejection.why; {
	case e.Consecutive > 0 && b.streak >= e.Consecutive:
	case e.SuccessRate && w.now.Sub(b.failed) < 2*e.Interval:
		w.count["ejection for its success rate"]++
	case e.Latency && w.now.Sub(b.slowed) < 2*e.Interval:
		w.count["ejection for its latency"]++
	default:
		w.fail("%s is ejected for nothing: %s", b.URL(), why)
	}
	lasts := b.ejection.until.Sub(w.now)
	if soon := w.now.Sub(b.returned) < e.Time; soon && b.lasted > 0 && lasts < min(b.lasted+e.Time, e.MaxTime) {
		w.fail("%s is ejected for %v, and was for %v right before", b.URL(), lasts, b.lasted)
	}
	b.lasted = lasts
}
