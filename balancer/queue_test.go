package balancer

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// queued is bounded, with a queue.
func queued(length, places int, weights ...int) *Pool {
	p := bounded(places, 1, weights...)
	p.watchers.closed = make(chan struct{})
	p.queue.use(QueueSettings{Length: length, Timeout: time.Second}, 1)
	return p
}

// client may leave.
type client struct{ left atomic.Bool }

func (c *client) Ended() bool { return c.left.Load() }

// waits are requests that wait, each in a goroutine. What comes of each is a line.
type waits struct {
	*Pool
	mu    sync.Mutex
	lines []string
	held  map[string]Attempt
}

func (w *waits) note(name string, a Attempt, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		name += ": " + err.Error()
	} else {
		w.held[name] = a
	}
	w.lines = append(w.lines, name)
}

// begin has a request wait, and returns its client once it does.
func (w *waits) begin(name string, p Priority, holder uint64) *client {
	c := &client{}
	go func() {
		attempts := w.Attempts(Client{Holder: holder}, Retry{})
		a, err := attempts.Await(Wait{Priority: p, For: c})
		w.note(name, a, err)
	}()
	synctest.Wait()
	return c
}

// end ends a request that has a place.
func (w *waits) end(name string) {
	w.held[name].End(Result{Status: 200})
	synctest.Wait()
}

// took returns what has come of requests since it was called last.
func (w *waits) took() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines = nil
	return lines
}

// waiting runs a test over a pool in a bubble.
func waiting(t *testing.T, p *Pool, test func(w *waits)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { test(&waits{Pool: p, held: map[string]Attempt{}}) })
}

const full = ": the queue for the backends is full"

func TestQueueServesInOrder(t *testing.T) {
	waiting(t, queued(10, 1, 1), func(w *waits) {
		w.begin("first", "", 0)
		for i, p := range []Priority{PriorityLow, PriorityNormal, "", PriorityHigh, PriorityLow, PriorityHigh} {
			w.begin(fmt.Sprintf("%s %d", p, i), p, 0)
		}
		require.Equal(t, []string{"first"}, w.took())
		assert.Equal(t, 6, w.PoolStatus().Queue.Waiting)
		last := "first"
		for _, want := range []string{"high 3", "high 5", "normal 1", " 2", "low 0", "low 4"} {
			w.end(last)
			require.Equal(t, []string{want}, w.took())
			last = want
		}
		w.end(last)
		s := w.PoolStatus()
		assert.Zero(t, s.Queue.Waiting)
		assert.EqualValues(t, 6, s.Queue.Waits.Count())
		assert.Zero(t, s.InFlight)
	})
}

// The last one of the lowest priority gives way, but never to one that matters as little.
func TestFullQueueRefusesTheLeastImportant(t *testing.T) {
	waiting(t, queued(2, 1, 1), func(w *waits) {
		w.begin("first", "", 0)
		w.begin("low 1", PriorityLow, 0)
		w.begin("low 2", PriorityLow, 0)
		require.Equal(t, []string{"first"}, w.took())
		w.begin("low 3", PriorityLow, 0)
		assert.Equal(t, []string{"low 3" + full}, w.took())
		w.begin("normal", PriorityNormal, 0)
		assert.Equal(t, []string{"low 2" + full}, w.took())
		w.begin("high 1", PriorityHigh, 0)
		assert.Equal(t, []string{"low 1" + full}, w.took())
		w.begin("high 2", PriorityHigh, 0)
		assert.Equal(t, []string{"normal" + full}, w.took())
		w.begin("high 3", PriorityHigh, 0)
		assert.Equal(t, []string{"high 3" + full}, w.took())
		assert.Equal(t, [...]int64{1, 1, 3}, w.PoolStatus().Queue.Refused)
		w.end("first")
		w.end("high 1")
		assert.Equal(t, []string{"high 1", "high 2"}, w.took())
	})
}

func TestWaitsEnd(t *testing.T) {
	waiting(t, queued(10, 1, 1, 1), func(w *waits) {
		w.begin("first", "", 0)
		w.begin("second", "", 0)
		w.took()
		began := time.Now()
		leaver := w.begin("leaver", "", 0)
		w.begin("late", "", 0)
		time.Sleep(500 * time.Millisecond)
		w.begin("later", "", 0)
		assert.Empty(t, w.took())
		leaver.left.Store(true)
		time.Sleep(tick)
		assert.Equal(t, []string{"leaver: " + ErrLeft.Error()}, w.took())
		time.Sleep(time.Second - time.Since(began) + tick)
		assert.Equal(t, []string{"late: " + ErrQueueTimeout.Error()}, w.took())
		for _, b := range w.backends {
			b.health.up = false
		}
		w.publish()
		assert.Equal(t, []string{"later: " + ErrNoneHealthy.Error()}, w.took())
		time.Sleep(time.Hour)
		w.queue.mu.Lock()
		assert.False(t, w.queue.ticking, "the timer stops when nobody waits")
		w.queue.mu.Unlock()
		s := w.PoolStatus().Queue
		assert.Equal(t, [...]int64{0, 1, 1}, [...]int64{int64(s.Waiting), s.TimedOut, s.Left})
	})
}

// What makes room has those that wait be served: a backend that recovers, one that is added, more
// places, and an operator's word.
func TestRoomIsNoticed(t *testing.T) {
	waiting(t, queued(10, 1, 1, 1, 1), func(w *waits) {
		w.backends[1].health.up = false
		w.backends[2].settings.State = Drain
		w.publish()
		w.begin("first", "", 0)
		for _, name := range []string{"a", "b", "c", "d"} {
			w.begin(name, "", 0)
		}
		require.Equal(t, []string{"first"}, w.took())
		w.probes.Rise = 1
		w.observe(t.Context(), w.backends[1], finding{made: true})
		assert.Equal(t, []string{"a"}, w.took())
		_, err := w.Override(w.backends[2].URL(), Override{State: Ready})
		require.NoError(t, err)
		w.observe(t.Context(), w.backends[2], finding{made: true})
		assert.Equal(t, []string{"b"}, w.took())
		w.mu.Lock()
		w.backends[0].places.bound(2, 1)
		w.publish()
		w.mu.Unlock()
		assert.Equal(t, []string{"c"}, w.took())
		for _, b := range w.backends {
			b.prober = &fakeProber{}
		}
		w.Close()
		w.end("first")
		assert.Equal(t, []string{"d"}, w.took(), "also of a pool that has left the configuration")
	})
}

// A pool's bound holds beside those of its backends.
func TestPoolBoundsAllRequests(t *testing.T) {
	waiting(t, queued(10, 5, 1, 1), func(w *waits) {
		w.places.bound(3, 0)
		for i := range 5 {
			w.begin(fmt.Sprint(i), "", 0)
		}
		require.Equal(t, []string{"0", "1", "2"}, w.took())
		assert.EqualValues(t, 3, w.PoolStatus().InFlight)
		w.end("1")
		assert.Equal(t, []string{"3"}, w.took())
		w.mu.Lock()
		w.places.bound(0, 0)
		w.publish()
		w.mu.Unlock()
		assert.Equal(t, []string{"4"}, w.took())
		for _, name := range []string{"0", "2", "3", "4"} {
			w.end(name)
		}
		assert.Zero(t, w.places.inFlight())
	})
}

// A retry waits in front of all, also of a full queue's last one.
func TestRetryWaitsInFront(t *testing.T) {
	waiting(t, queued(2, 1, 1, 1), func(w *waits) {
		attempts := w.Attempts(Client{}, Retry{Most: 1})
		first, err := attempts.Await(Wait{})
		require.NoError(t, err)
		w.begin("other", "", 0)
		w.begin("high", PriorityHigh, 0)
		w.begin("low", PriorityLow, 0)
		require.Equal(t, []string{"other"}, w.took())
		first.End(Result{Fault: Broke})
		require.Equal(t, []string{"high"}, w.took(), "its place goes to somebody else")
		w.begin("high 2", PriorityHigh, 0)
		go func() {
			a, err := attempts.Await(Wait{Priority: PriorityLow})
			w.note("retry", a, err)
		}()
		assert.Equal(t, []string{"low" + full}, w.took())
		w.end("other")
		assert.Equal(t, []string{"retry"}, w.took())
		assert.NotSame(t, first.Backend, w.held["retry"].Backend)
		w.end("retry")
		assert.Equal(t, []string{"high 2"}, w.took())
	})
}

// One client doesn't fill the queue.
func TestQueueHasShares(t *testing.T) {
	p := queued(4, 1, 1)
	p.queue.use(QueueSettings{Length: 4, Timeout: time.Second}, 0.5)
	waiting(t, p, func(w *waits) {
		w.begin("first", "", 1)
		for i := range 3 {
			w.begin(fmt.Sprint("greedy ", i), "", 7)
		}
		assert.Equal(t, []string{"first", "greedy 2: " + ErrClientShare.Error()}, w.took())
		w.begin("other", "", 8)
		assert.Empty(t, w.took())
		time.Sleep(time.Second + tick)
		w.took()
		assert.Zero(t, w.queue.shares.words())
	})
}

// From all processors: nothing is lost, no bound is exceeded, nobody waits for ever.
func TestQueueUnderLoad(t *testing.T) {
	const users, each, places = 16, 2000, 3
	p := queued(users, 1, 1, 1, 1)
	var running atomic.Int64
	var all sync.WaitGroup
	for u := range users {
		all.Go(func() {
			for range each {
				attempts := p.Attempts(Client{}, Retry{})
				a, err := attempts.Await(Wait{Priority: Priorities[u%len(Priorities)]})
				if err == ErrQueueTimeout {
					continue // The machine has other things to do.
				}
				if !assert.NoError(t, err) {
					return
				}
				assert.LessOrEqual(t, running.Add(1), int64(places))
				running.Add(-1)
				a.End(Result{Status: 200})
			}
		})
	}
	all.Wait()
	s := p.PoolStatus()
	assert.Zero(t, s.InFlight)
	assert.Zero(t, s.Queue.Waiting)
	assert.Positive(t, s.Queue.Waits.Count())
}

// Neither a request that waits nor one that doesn't allocates.
func TestWaitingAllocatesNothing(t *testing.T) {
	p := queued(10, 1, 1)
	c := &client{}
	attempts := p.Attempts(Client{}, Retry{})
	held, err := attempts.Await(Wait{})
	require.NoError(t, err)
	wait := func() {
		attempts := p.Attempts(Client{}, Retry{})
		_, waiter, _ := attempts.ask(Wait{For: c})
		held.End(Result{Status: 200})
		<-waiter.done
		held, _ = attempts.taken(waiter)
	}
	assert.Zero(t, testing.AllocsPerRun(1000, wait))
	held.End(Result{})
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		attempts := p.Attempts(Client{}, Retry{})
		a, _ := attempts.Await(Wait{For: c})
		a.End(Result{Status: 200})
	}))
}
