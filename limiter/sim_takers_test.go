//go:build simulation

package limiter

import "iter"

// What comes between two steps of an operation ends before it goes on, except takers. Some of them
// are interrupted, and go on during an operation that began after them. They hold no lock then.

// simTaker is a taker under way.
type simTaker struct {
	steps     int
	interrupt func() // nil: it comes at the wrong moment for that
	waits     bool   // for the lock of its page
}

// simLate is a taker that was interrupted.
type simLate struct {
	client *simClient
	*simTaker
	next func() (struct{}, bool) // goes on; true: it was interrupted again
	stop func()
}

// mostSteps is far more than a taker makes, whatever others do meanwhile. A taker that makes more
// waits for somebody.
const mostSteps = 200

// takes is one, or as many as a bucket has tokens.
func (w *simWorld) takes(c *simClient) {
	n := 1
	if w.dice.IntN(5) == 0 {
		n = int(c.is.Capacity)
	}
	for range n {
		if !w.waits(c) {
			w.take(c)
		}
	}
}

func (w *simWorld) take(c *simClient) {
	op := &simOp{client: c, taker: &simTaker{}, cost: w.cost(c)}
	w.during(op, func() {
		w.took(c, w.limits[c.limit].Take(c.id, op.cost))
	})
}

// cost is mostly one token, and sometimes more than a bucket may hold.
func (w *simWorld) cost(c *simClient) int64 {
	if w.dice.IntN(5) > 0 {
		return 1
	}
	return 1 + w.dice.Int64N(c.is.Capacity+2)
}

// takeLate is take by a taker that may be interrupted.
func (w *simWorld) takeLate(c *simClient) {
	late := &simLate{client: c, simTaker: &simTaker{}}
	late.next, late.stop = iter.Pull(func(yield func(struct{}) bool) {
		op := &simOp{client: c, taker: late.simTaker, cost: w.cost(c)}
		late.interrupt = func() {
			w.stack = w.stack[:len(w.stack)-1]
			if !yield(struct{}{}) {
				panic(simCrash{})
			}
			op.changes = -1 // a flush that isn't over may have raised the limit
			w.stack = append(w.stack, op)
		}
		w.during(op, func() { w.took(c, w.limits[c.limit].Take(c.id, op.cost)) })
	})
	w.resume(late)
}

// interrupts reports whether a taker was interrupted at this step.
func (w *simWorld) interrupts() bool {
	if len(w.stack) == 0 {
		return false
	}
	op := w.stack[len(w.stack)-1]
	if op.taker == nil {
		return false
	}
	if op.taker.steps++; op.taker.steps > mostSteps {
		w.fail("a taker of %q waits for somebody who was interrupted", op.client)
	}
	if op.taker.interrupt == nil || w.dice.IntN(3) > 0 || !w.claimable(op.client) { // it may have locked the page itself
		return false
	}
	w.note("interrupted")
	op.taker.interrupt()
	return true
}

func (w *simWorld) resume(late *simLate) {
	if _, interrupted := late.next(); interrupted {
		w.late = append(w.late, late)
	}
}

// goOn lets one late taker go on, unless it still waits.
func (w *simWorld) goOn() {
	if len(w.late) == 0 {
		return
	}
	i := w.dice.IntN(len(w.late))
	late := w.late[i]
	if late.waits && !w.claimable(late.client) {
		return
	}
	late.waits = false
	w.late = append(w.late[:i:i], w.late[i+1:]...)
	w.resume(late)
}

// Wait implements table.Simulator. A taker may find its bucket dead, or under other numbers, and
// need a page that whoever it interrupted has locked.
func (w *simWorld) Wait() {
	op := w.stack[len(w.stack)-1]
	if op.taker == nil || op.taker.interrupt == nil {
		w.fail("somebody waits for a page that another one has locked, who was interrupted")
	}
	op.taker.waits = true
	op.taker.interrupt()
}

// waitForLate lets all late takers end.
func (w *simWorld) waitForLate() {
	for len(w.late) > 0 {
		w.goOn()
	}
}

// endLate ends the late takers with the process.
func (w *simWorld) endLate() {
	for _, late := range w.late {
		func() {
			defer func() {
				if _, ok := recover().(simCrash); !ok {
					panic("the taker was not interrupted")
				}
			}()
			late.stop()
		}()
	}
	w.late = nil
}
