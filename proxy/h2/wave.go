package h2

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// This file keeps the streams that run few while the processors have enough to do. Whatever runs
// has a stack, buffers and a connection to a backend. With a thousand of those, little of it is in
// the processors' caches when it is needed, and each request costs more.
//
// So streams run in waves. Those that were started since a wave began count as long as they run,
// and while there are enough of them, others wait. Enough keeps the processors busy, unless
// backends are slow. Then few goroutines wait for a processor, and the next wave begins, whose
// streams run besides those of the former one. Waves become larger as long as that is so, and
// smaller again by and by. So nobody waits for a slow backend of others.

const (
	// perProcessor is how many streams of a wave run at a time at least, for each processor.
	perProcessor = 16
	// lookAfter is the time between two looks at whether the processors are busy.
	lookAfter = time.Millisecond
	// mostLooks is how many looks there are at a wave that has others wait. The last one begins the
	// next wave even if the processors are busy: it may be with something else.
	mostLooks = 20
	// largest keeps the size of a wave from overflowing. Nothing runs as many streams.
	largest = 1 << 24
	// perSize is how many streams run for each that a wave may have, until waves become half as
	// large.
	perSize = 4
)

// wave are the streams that count for how many may run. The runner's mu guards it.
type wave struct {
	// busy reports whether the processors have enough to do; nil bounds no wave.
	busy func() bool
	// most bounds the streams that run of the wave, running is how many do. most is least or more,
	// and passed is how many streams have run since it was halved.
	most, least, running, passed int
	// number counts the waves.
	number uint64
	// timer is when the next look is due, if looking is true, and looks how many there were in this
	// wave. idle is whether the last one found that the processors had time.
	timer   *time.Timer
	looks   int
	looking bool
	idle    bool
}

// newWave begins the first wave.
func newWave() wave {
	least := perProcessor * runtime.GOMAXPROCS(0)
	return wave{busy: newBusy(), most: least, least: least}
}

// newBusy returns a function that reports whether at least as many goroutines wait for a processor
// as there are processors. Calls of it must not overlap.
func newBusy() func() bool {
	ready := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
	return func() bool {
		metrics.Read(ready)
		return ready[0].Value.Uint64() >= uint64(runtime.GOMAXPROCS(0))
	}
}

// isFull reports whether others wait for the wave's streams.
func (w *wave) isFull() bool { return w.busy != nil && w.running >= w.most }

// add has a stream that is about to run be one of the wave.
func (w *wave) add(s *stream) {
	w.running++
	s.wave = w.number
	if w.passed++; w.passed >= perSize*w.most {
		w.most, w.passed = max(w.most/2, w.least), 0
	}
}

// remove notes the end of a stream of the wave of that number.
func (w *wave) remove(number uint64) {
	if number == w.number {
		w.running--
	}
}

// next begins the next wave.
func (w *wave) next() {
	w.number++
	w.running, w.looks = 0, 0
}

// lookSoon has the next look be made, if streams wait for those of the wave. The caller holds mu.
func (r *runner) lookSoon() {
	w := &r.wave
	if w.looking || r.first == nil || r.full() || !w.isFull() {
		return
	}
	w.looking = true
	if w.timer == nil {
		w.timer = time.AfterFunc(lookAfter, r.look)
	} else {
		w.timer.Reset(lookAfter)
	}
}

// look begins the next wave, if the processors have time or this one has lasted. The next one is
// twice as large after two looks in a row that found time: one alone may be a moment's rest.
func (r *runner) look() {
	idle := !r.wave.busy()
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.wave
	w.looking = false
	if idle && w.idle {
		w.most, w.passed = min(2*w.most, largest), 0
	}
	w.idle = idle
	if w.looks++; idle || w.looks >= mostLooks {
		w.next()
		r.startAll()
	}
	r.lookSoon()
}
