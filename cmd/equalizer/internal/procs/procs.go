// Package procs gives Go as many processors as the load needs.
//
// For each thread that a connection wakes, Go's scheduler wakes another in case there is more to
// do. Under little load there isn't, and waking costs more than the work. So Go gets one processor
// as long as that has enough to spare.
//
// What computes for long, or waits for a disk, would have all connections wait with it there: the
// scheduler doesn't look at them before 10 ms have passed. So Go gets a second processor meanwhile.
package procs

import (
	"context"
	"runtime"
	"sync"
	"time"
)

const (
	// loadInterval is how often the load is measured, and so how long a burst may wait for the
	// other processors.
	loadInterval = 100 * time.Millisecond
	// Go gets all processors at once when it uses more than busyShare of one. It gives them up when
	// it has used less than calmShare of one for calmFor.
	busyShare, calmShare = 0.65, 0.5
	calmFor              = 2 * time.Second
)

// load decides whether Go needs all processors, or one is enough.
type load struct {
	all bool
	// calm is for how long one would have been enough.
	calm time.Duration
}

// next takes how many processors were used in the time that passed, and returns whether to use all.
func (l *load) next(used float64, passed time.Duration) (all bool) {
	switch {
	case used > busyShare:
		l.all, l.calm = true, 0
	case used > calmShare:
		l.calm = 0
	default:
		l.calm += passed
	}
	l.all = l.all && l.calm < calmFor
	return l.all
}

// Governor gives Go its processors while Run runs. All its methods may be called at the same time.
type Governor struct {
	mu sync.Mutex
	// all reports whether the load needs all processors.
	all   bool
	jobs  int // that are done aside
	given int // processors; 0: all
}

// NewGovernor makes a governor that leaves Go all processors until Run.
func NewGovernor() *Governor { return &Governor{all: true} }

// Run gives Go as many processors as the load needs, until ctx ends. It does nothing if it can't
// measure the load, or if there is only one processor.
func (g *Governor) Run(ctx context.Context) {
	if _, ok := cpuTime(); !ok || runtime.GOMAXPROCS(0) == 1 {
		return
	}
	defer g.need(true)
	ticker := time.NewTicker(loadInterval)
	defer ticker.Stop()
	l := load{all: true}
	last, _ := cpuTime()
	for at := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		used, _ := cpuTime()
		passed := now.Sub(at)
		g.need(l.next(float64(used-last)/float64(passed), passed))
		at, last = now, used
	}
}

// Aside does a job that computes for long, or may block its thread.
func (g *Governor) Aside(job func()) {
	g.begin(1)
	defer g.begin(-1)
	job()
}

func (g *Governor) begin(jobs int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.jobs += jobs
	g.give()
}

// need notes whether the load needs all processors.
func (g *Governor) need(all bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all = all
	g.give()
}

// give gives Go the processors that it is to have. That stops the world for a moment if they
// change. The caller holds g.mu.
func (g *Governor) give() {
	want := 1
	switch {
	case g.all:
		want = 0
	case g.jobs > 0:
		want = 2
	}
	if want == g.given {
		return
	}
	g.given = want
	if want == 0 {
		runtime.SetDefaultGOMAXPROCS()
		return
	}
	runtime.GOMAXPROCS(want)
}
