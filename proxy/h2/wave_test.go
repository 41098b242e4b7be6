package h2

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// waves is a runner whose streams run until they are told to end.
type waves struct {
	*runner
	t    *testing.T
	busy bool
	// looks counts the looks, begun are the streams that have begun, ends what ends them.
	mu    sync.Mutex
	looks int
	begun []uint32
	ends  map[uint32]chan struct{}
}

// withWaves runs a test in a bubble, on a runner whose waves have so many streams. Its processors
// are busy.
func withWaves(t *testing.T, most int, test func(w *waves)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &waves{t: t, busy: true, ends: map[uint32]chan struct{}{}}
		w.runner = &runner{run: w.serve, wave: wave{busy: w.look, most: most, least: most}}
		w.join()
		defer w.endAll()
		test(w)
	})
}

// endAll ends all streams. Nothing may be left of them.
func (w *waves) endAll() {
	w.mu.Lock()
	for _, end := range w.ends {
		close(end)
	}
	w.mu.Unlock()
	time.Sleep(time.Second) // In the bubble: there are no more looks.
	synctest.Wait()
	assert.Zero(w.t, w.running)
	assert.Nil(w.t, w.first)
	assert.False(w.t, w.wave.looking)
	w.leave()
}

// isBusy sets whether the looks from now on find that the processors are busy.
func (w *waves) isBusy(busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy = busy
}

func (w *waves) look() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	return w.busy
}

func (w *waves) serve(s *stream) {
	w.mu.Lock()
	w.begun = append(w.begun, s.id)
	end := w.ends[s.id]
	w.mu.Unlock()
	<-end
}

// client makes a connection that may have so many streams run.
func (w *waves) client(most int) *connection {
	c := &connection{}
	c.line.most = most
	return c
}

// submits submits streams of a connection, the last of them included.
func (w *waves) submits(c *connection, first, last uint32) {
	for id := first; id <= last; id++ {
		w.mu.Lock()
		w.ends[id] = make(chan struct{})
		w.mu.Unlock()
		w.submit(&stream{conn: c, id: id})
		synctest.Wait()
	}
}

// finish ends streams, one after the other.
func (w *waves) finish(ids ...uint32) {
	for _, id := range ids {
		w.mu.Lock()
		close(w.ends[id])
		delete(w.ends, id)
		w.mu.Unlock()
		synctest.Wait()
	}
}

// expect checks which streams have begun since it was last asked. Those that were started at once
// have begun in any order.
func (w *waves) expect(want ...uint32) {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.begun)
	require.Equal(w.t, want, w.begun)
	w.begun = nil
}

// pass has looks pass.
func (w *waves) pass(looks int) {
	time.Sleep(time.Duration(looks) * lookAfter)
	synctest.Wait()
}

// While the processors are busy, streams beyond a wave's begin as others end, in their order.
func TestBusyProcessorsHaveFewRun(t *testing.T) {
	withWaves(t, 2, func(w *waves) {
		c := w.client(100)
		w.submits(c, 1, 5)
		w.expect(1, 2)
		w.pass(mostLooks - 1)
		w.expect()
		w.finish(2)
		w.expect(3)
		w.finish(1, 3)
		w.expect(4, 5)
	})
}

// While the processors have time, a look begins the next wave: who runs keeps nobody waiting. After
// the first look waves are twice as large each time.
func TestIdleProcessorsHaveAllRun(t *testing.T) {
	withWaves(t, 2, func(w *waves) {
		w.busy = false
		c := w.client(100)
		w.submits(c, 1, 10)
		w.expect(1, 2)
		time.Sleep(lookAfter - 1)
		w.expect()
		time.Sleep(time.Nanosecond)
		w.expect(3, 4)
		w.pass(1)
		w.expect(5, 6, 7, 8)
		w.pass(1)
		w.expect(9, 10)
		w.submits(c, 11, 11)
		w.expect(11)
		assert.Equal(t, 11, w.running)
	})
}

// Waves don't grow while the processors have time only now and then.
func TestMomentsOfRestAreNoIdleness(t *testing.T) {
	withWaves(t, 2, func(w *waves) {
		w.submits(w.client(100), 1, 12)
		for range 2 {
			w.isBusy(false)
			w.pass(1)
			w.isBusy(true)
			w.pass(1)
		}
		assert.Equal(t, 2, w.wave.most)
		w.expect(1, 2, 3, 4, 5, 6)
		w.isBusy(false)
		w.pass(2)
		assert.Equal(t, 4, w.wave.most)
		w.expect(7, 8, 9, 10, 11, 12)
	})
}

// A wave that has become large becomes small again by and by, and no smaller than it was.
func TestWavesBecomeSmallAgain(t *testing.T) {
	withWaves(t, 2, func(w *waves) {
		w.busy = false
		c := w.client(100)
		w.submits(c, 1, 5)
		w.pass(2)
		require.Equal(t, 4, w.wave.most)
		w.finish(1, 2, 3, 4, 5)
		w.busy = true
		runs := func(n uint32) {
			for id := uint32(6); id < 6+n; id++ {
				w.submits(c, id, id)
				w.finish(id)
			}
		}
		runs(4*perSize - 2) // The fifth one ran in this wave.
		assert.Equal(t, 4, w.wave.most)
		runs(1)
		assert.Equal(t, 2, w.wave.most)
		runs(4 * perSize)
		assert.Equal(t, 2, w.wave.most)
	})
}

// A wave that keeps others waiting lasts a while, even if the processors are busy all the time.
func TestWavesLastForAWhile(t *testing.T) {
	withWaves(t, 2, func(w *waves) {
		w.submits(w.client(100), 1, 5)
		w.expect(1, 2)
		w.pass(mostLooks)
		w.expect(3, 4)
		w.pass(mostLooks - 1)
		w.expect()
		w.pass(1)
		w.expect(5)
	})
}

// What runs of former waves doesn't count, and neither does its end.
func TestFormerWavesDoNotCount(t *testing.T) {
	withWaves(t, 2, func(w *waves) {
		c := w.client(100)
		w.submits(c, 1, 6)
		w.pass(mostLooks)
		w.expect(1, 2, 3, 4)
		w.finish(1, 2)
		w.expect()
		w.finish(3)
		w.expect(5)
	})
}

// Without streams that wait there are no looks, and none while MaxRunning is what they wait for.
func TestLooksAreForThoseWhoWait(t *testing.T) {
	withWaves(t, 2, func(w *waves) {
		c := w.client(2)
		looks := func(want int) {
			t.Helper()
			w.pass(5)
			assert.Equal(t, want, w.looks)
			w.looks = 0
		}
		w.submits(c, 1, 3)
		looks(0) // The connection may have no third one run.
		other := w.client(100)
		w.submits(other, 4, 4)
		looks(5)
		w.finish(1, 2)
		w.expect(1, 2, 3, 4)
		looks(1) // It was due.
		w.bound(2)
		w.submits(other, 5, 6)
		looks(0)
		w.bound(3)
		looks(5)
	})
}

// Connections take turns, of some streams each.
func TestTurns(t *testing.T) {
	withWaves(t, 1, func(w *waves) {
		a, b := w.client(100), w.client(100)
		w.submits(a, 1, 1+perTurn+2)
		w.submits(b, 51, 52)
		w.expect(1)
		turn := func(from uint32, then ...uint32) {
			t.Helper()
			for _, id := range then {
				w.finish(from)
				w.expect(id)
				from = id
			}
		}
		for id := uint32(1); id <= perTurn; id++ {
			turn(id, id+1)
		}
		turn(1+perTurn, 51, 52, 2+perTurn, 3+perTurn)
	})
}

// A turn ends with its connection's streams, and with as many as it may have run.
func TestTurnsEnd(t *testing.T) {
	withWaves(t, 3, func(w *waves) {
		a, b := w.client(2), w.client(100)
		w.submits(b, 51, 53)
		w.submits(a, 1, 4)
		w.submits(b, 54, 55)
		w.finish(51, 52, 53)
		w.expect(1, 2, 51, 52, 53, 54)
		w.finish(1)
		w.expect(55)
		w.finish(2)
		w.expect(3)
		w.finish(54)
		w.expect(4)
	})
}

// full is a bed whose wave has one stream, which runs, while its processors are busy.
func full(t *testing.T, test func(b *bed)) {
	t.Helper()
	within(t, limits(), func(b *bed) {
		b.runner.wave.busy, b.runner.wave.most = func() bool { return true }, 1
		b.get(1, "/hold")
		b.expect()
		test(b)
	})
}

// What waits to run can be reset, and may be told more of its body.
func TestStreamsThatWait(t *testing.T) {
	full(t, func(b *bed) {
		b.get(3, "/")
		b.open(5, "/upload")
		b.expect()
		assert.EqualValues(t, 1, b.Stats().Running)
		assert.EqualValues(t, 3, b.Stats().Streams)
		_ = b.WriteRSTStream(3, http2.ErrCodeCancel)
		for i := range 4 {
			_ = b.WriteData(5, i == 3, make([]byte, 15_000))
		}
		b.expect()
		b.release <- struct{}{}
		b.expect("head 1 200", "data 1 held end", "head 5 200", "data 5 60000 <nil> end")
		assert.Zero(t, b.Stats().Streams)
	})
}

// A stream whose client leaves while it waits ends when its turn comes.
func TestClientLeavesStreamsThatWait(t *testing.T) {
	full(t, func(b *bed) {
		b.get(3, "/hold")
		b.expect()
		_ = b.conn.Close()
		b.expect("end")
		assert.Zero(t, b.Stats().Streams)
	})
}

// A connection that leaves serves what waits.
func TestStreamsThatWaitWhileTheConnectionLeaves(t *testing.T) {
	full(t, func(b *bed) {
		b.get(3, "/")
		b.closes.Store(true)
		b.get(5, "/")
		b.expect("goaway 2147483647 NO_ERROR", "ping ack=false leaving.")
		_ = b.WritePing(true, leavePing)
		b.expect("goaway 5 NO_ERROR")
		b.release <- struct{}{}
		b.expect("head 1 200", "data 1 held end", "head 3 200", "data 3 ok end", "head 5 200", "data 5 ok end", "end")
	})
}

// The reader serves a request that came alone whatever others wait for: it takes no goroutine.
func TestReaderLeadsBesidesAWave(t *testing.T) {
	leading(t, limits(), func(b *bed, first uint32) {
		b.runner.wave.busy, b.runner.wave.most = func() bool { return true }, 0
		b.get(first, "/")
		b.expect("head 17 200", "data 17 ok end")
		assert.Zero(t, b.runner.wave.running)
	})
}

// Turns know how long their streams have waited.
func TestWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, limits())
		defer b.end()
		var waited []time.Duration
		b.newHandler = func(turn *Turn) Handler {
			return timed{&handler{turn, b}, func() { waited = append(waited, turn.Waited()) }}
		}
		b.runner.wave.busy, b.runner.wave.most = func() bool { return false }, 1
		b.greet()
		b.get(1, "/hold")
		b.get(3, "/hold")
		b.get(5, "/")
		b.expect("head 5 200", "data 5 ok end")
		assert.Equal(t, []time.Duration{0, lookAfter, 2 * lookAfter}, waited)
	})
}

// timed is a handler that does something else when it begins.
type timed struct {
	*handler
	begin func()
}

func (t timed) Begin() { t.begin() }

// Processors are busy while more goroutines could run than there are processors, and not while none
// could. A look doesn't allocate.
func TestBusy(t *testing.T) {
	busy := newBusy()
	var over sync.WaitGroup
	stop := make(chan struct{})
	for range 8 * runtime.GOMAXPROCS(0) {
		over.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	for !busy() {
		runtime.Gosched()
	}
	close(stop)
	over.Wait()
	for busy() {
		time.Sleep(time.Millisecond)
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() { busy() }))
}
