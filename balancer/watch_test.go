package balancer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patient are health settings whose numbers are easy to tell apart.
var patient = HealthSettings{Type: HealthTCP, Interval: 5 * time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3}

// world is a pool whose backends answer probes as a test says, in a synctest bubble.
type world struct {
	*Pool
	settings Settings
	log      bytes.Buffer
	// broken is why a backend's probes fail, by its URL.
	broken map[string]error
	// hung are the backends whose probes take all the time that they are given.
	hung map[string]bool
	// asked is when each probe began, by the backend's URL.
	asked map[string][]time.Time
}

func newWorld(backends ...BackendSettings) *world {
	w := &world{broken: map[string]error{}, hung: map[string]bool{}, asked: map[string][]time.Time{}}
	w.settings = Settings{
		Name:     "default",
		Strategy: RoundRobin,
		Backends: backends,
		Health:   patient,
		NewProber: func(b BackendSettings) Prober {
			return &fakeProber{connect: func(ctx context.Context) error { return w.answer(ctx, b.URL) }}
		},
		Logger: zerolog.New(zerolog.SyncWriter(&w.log)),
	}
	w.Pool = NewPool(w.settings)
	return w
}

func (w *world) answer(ctx context.Context, url string) error {
	w.mu.Lock()
	w.asked[url] = append(w.asked[url], time.Now())
	hung, err := w.hung[url], w.broken[url]
	w.mu.Unlock()
	if hung {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// hang has probes of a backend wait until they are ended, or no more.
func (w *world) hang(url string, hung bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hung[url] = hung
}

// set breaks a backend, or mends it with nil.
func (w *world) set(url string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken[url] = err
}

// run starts the pool, and stops it when the test is over.
func (w *world) run(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

// pass lets that much of the bubble's time go by, and all that is due in it happen.
func pass(d time.Duration) {
	time.Sleep(d) // the bubble's clock: it takes no time
	synctest.Wait()
}

// logged empties the log, and gives its lines as "level backend message (probe, probes)".
func (w *world) logged(t *testing.T) (lines []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range strings.Lines(w.log.String()) {
		var l struct {
			Level, Pool, Backend, State, Probe, Message string
			Probes                                      int
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		if !strings.HasPrefix(l.Message, "overrides of backends") {
			assert.Equal(t, "default", l.Pool)
		}
		if l.Backend != "" {
			l.Message += fmt.Sprintf(": %s, %s, %d: %s", l.Backend, l.State, l.Probes, l.Probe)
		}
		lines = append(lines, l.Level+" "+l.Message)
	}
	w.log.Reset()
	return lines
}

// available are the URLs of the backends that picks go to, in order.
func (w *world) available() (urls []string) {
	if picker := w.picker.Load(); picker != nil {
		for _, b := range picker.cycle {
			urls = append(urls, b.URL())
		}
	}
	return urls
}

func ready(url string) BackendSettings { return BackendSettings{URL: url, Weight: 1, State: Ready} }

var errRefused = errors.New("connect: connection refused")

const nobody = "error no backend is healthy: requests get 503"

func TestFirstRoundDecidesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"), ready("c"))
		_, err := w.pickOnce(Client{}, tried{})
		assert.Equal(t, ErrNoneHealthy, err, "no backend is available before it was probed")
		assert.False(t, w.Healthy())
		w.set("b", errRefused)

		w.Probe(t.Context())
		assert.Equal(t, []string{"a", "c"}, w.available())
		assert.ElementsMatch(t, []string{
			"info backend is up: a, ready, 1: connected in 0.0ms",
			"warn backend is down: b, ready, 1: connect: connection refused",
			"info backend is up: c, ready, 1: connected in 0.0ms",
		}, w.logged(t))
	})
}

func TestFirstRoundIsParallelAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"), ready("c"))
		w.hang("a", true)
		w.hang("b", true)
		started := time.Now()
		w.Probe(t.Context())
		assert.Equal(t, patient.Timeout, time.Since(started))
		assert.Equal(t, []string{"c"}, w.available())
	})
}

func TestBackendFallsAndRisesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.Probe(t.Context())
		w.logged(t)
		w.run(t)
		pass(time.Minute)
		assert.Empty(t, w.logged(t), "nothing flipped")

		w.set("b", errRefused)
		pass(2 * patient.Interval * 4 / 5)
		assert.Equal(t, []string{"a", "b"}, w.available(), "not yet three probes")
		pass(3*patient.Interval - 2*patient.Interval*4/5)
		assert.Equal(t, []string{"a"}, w.available())
		pass(time.Minute)
		assert.Equal(t, []string{"warn backend is down: b, ready, 3: connect: connection refused"}, w.logged(t))

		w.set("b", nil)
		pass(patient.Interval * 4 / 5)
		assert.Equal(t, []string{"a"}, w.available(), "not yet two probes")
		pass(2*patient.Interval - patient.Interval*4/5)
		assert.Equal(t, []string{"a", "b"}, w.available())
		pass(time.Minute)
		assert.Equal(t, []string{"info backend is up: b, ready, 2: connected in 0.0ms"}, w.logged(t))
	})
}

func TestPoolInWhichNoneIsHealthySaysSoOnceEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.set("a", errRefused)
		w.set("b", errRefused)
		w.Probe(t.Context())
		lines := w.logged(t)
		require.Len(t, lines, 3)
		assert.Equal(t, nobody, lines[2], "only once the last of them was probed")
		w.run(t)
		pass(time.Minute)
		assert.Empty(t, w.logged(t))

		w.set("a", nil)
		pass(time.Minute)
		assert.Equal(t, []string{"info backend is up: a, ready, 2: connected in 0.0ms"}, w.logged(t))
		w.set("a", errRefused)
		pass(time.Minute)
		assert.Equal(t, []string{"warn backend is down: a, ready, 3: connect: connection refused", nobody}, w.logged(t))
	})
}

func TestStateIsApartFromHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), BackendSettings{URL: "b", Weight: 1, State: Drain}, BackendSettings{URL: "c", Weight: 1, State: Maint})
		w.Probe(t.Context())
		w.run(t)
		pass(time.Minute)
		assert.Equal(t, []string{"a"}, w.available())

		status := w.Status()
		assert.True(t, status[0].Healthy)
		assert.True(t, status[1].Healthy, "one that drains is still probed")
		assert.Equal(t, BackendStatus{Pool: "default", URL: "c", Weight: 1, State: Maint, Configured: Override{Maint, 1}, Stored: true}, status[2], "one in maintenance is left alone")
		assert.Empty(t, w.asked["c"])

		w.set("b", errRefused)
		w.logged(t)
		pass(time.Minute)
		assert.Equal(t, []string{"warn backend is down: b, drain, 3: connect: connection refused"}, w.logged(t))
	})
}

func TestPoolThatOperatorsEmptiedSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(BackendSettings{URL: "a", Weight: 1, State: Maint}, BackendSettings{URL: "b", Weight: 1, State: Maint})
		w.Probe(t.Context())
		assert.Equal(t, []string{nobody}, w.logged(t))
		w.run(t)
		pass(time.Minute)
		assert.Empty(t, w.asked)
	})
}

func TestProbesAreSpreadAndNeverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		started := time.Now()
		w.run(t)
		pass(10 * time.Minute)
		gaps := map[time.Duration]bool{}
		for url, times := range w.asked {
			assert.Less(t, times[0].Sub(started), patient.Interval, url)
			for i := range times[1:] {
				gap := times[i+1].Sub(times[i])
				gaps[gap] = true
				assert.GreaterOrEqual(t, gap, patient.Interval*4/5, url)
				assert.LessOrEqual(t, gap, patient.Interval, url)
			}
		}
		assert.NotEqual(t, w.asked["a"], w.asked["b"], "each has a clock of its own")
		assert.Greater(t, len(gaps), 100, "gaps differ")
	})
}

func TestProbeIsDueFromTheStartOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.hang("a", true)
		w.run(t)
		pass(time.Minute)
		times := w.asked["a"]
		require.Greater(t, len(times), 10)
		for i := range times[1:] {
			assert.LessOrEqual(t, times[i+1].Sub(times[i]), patient.Interval, "the timeout doesn't add to it")
		}
	})
}

func TestHungBackendHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.Pool.probes.Interval, w.Pool.probes.Timeout = time.Second, 10*time.Second
		w.hang("a", true)
		w.run(t)
		pass(time.Minute)
		assert.GreaterOrEqual(t, len(w.asked["b"]), 59)
		times := w.asked["a"]
		require.Len(t, times, 7)
		for i := range times[1:] {
			assert.Equal(t, 10*time.Second, times[i+1].Sub(times[i]), "one at a time, the next at once")
		}
	})
}

func TestStopCutsProbesShortAndLearnsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.Probe(t.Context())
		before := w.Status()
		w.Pool.probes.Timeout = time.Hour
		w.hang("a", true)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan time.Time, 1)
		go func() { w.Run(ctx); ended <- time.Now() }()
		pass(patient.Interval)
		require.Len(t, w.asked["a"], 2, "a probe is under way")

		stopped := time.Now()
		stop()
		assert.Equal(t, stopped, <-ended)
		assert.Equal(t, before, w.Status())
	})
}

func TestWantOfOurOwnSaysNothingOfABackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"), ready("b"))
		w.set("b", os.NewSyscallError("socket", syscall.EMFILE))
		w.Probe(t.Context())
		w.logged(t)
		w.run(t)
		for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
			w.set("a", os.NewSyscallError("socket", errno))
			pass(time.Minute)
			assert.Equal(t, []string{"a"}, w.available(), "as it was before: a up, b unknown")
			assert.Equal(t, "socket: "+errno.Error(), w.Status()[0].LastProbe, "though operators see it")
		}
		assert.Empty(t, w.logged(t))
	})
}

func TestMachineWithoutIPv6FindsItsBackendDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		w.set("a", os.NewSyscallError("connect", syscall.EADDRNOTAVAIL))
		w.Probe(t.Context())
		assert.Len(t, w.logged(t), 2, "that it is down, and that none is healthy")
	})
}

func TestStatusTellsWhatTheLastProbeFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(ready("a"))
		assert.Equal(t, []BackendStatus{{Pool: "default", URL: "a", Weight: 1, State: Ready, Configured: Override{Ready, 1}, Stored: true}}, w.Status())
		w.Probe(t.Context())
		assert.Equal(t, "connected in 0.0ms", w.Status()[0].LastProbe)
		w.set("a", errRefused)
		w.run(t)
		pass(patient.Interval)
		s := w.Status()[0]
		assert.True(t, s.Healthy, "fewer failures than fall")
		assert.Equal(t, errRefused.Error(), s.LastProbe)
		assert.Equal(t, w.asked["a"][len(w.asked["a"])-1].UTC(), s.LastProbeAt)
	})
}
