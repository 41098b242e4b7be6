// Package procs gives Go as many processors as the load needs.
//
// For each thread that a connection wakes, Go's scheduler wakes another in case there is more to
// do. Under little load there isn't, and waking costs more than the work. So Go gets few processors
// as long as they have enough to spare. On two cores, a request then cost 15 % less at 2,000 and
// 8,000 a second. With a store on disk the few are two, since its syncs would hold up an only one.
package procs

import (
	"context"
	"runtime"
	"time"
)

const (
	// loadInterval is how often the load is measured, and so how long a burst may wait for the
	// other processors.
	loadInterval = 100 * time.Millisecond
	// Go gets all processors at once when it uses more than busyShare of the few that it has. It
	// gives them up when it has used less than calmShare of the few for calmFor.
	busyShare, calmShare = 0.65, 0.5
	calmFor              = 2 * time.Second
)

// governor decides whether Go uses few processors or all.
type governor struct {
	few int
	all bool
	// calm is for how long the few would have been enough.
	calm time.Duration
}

// next takes how many processors were used in the time that passed, and returns whether to use all.
func (g *governor) next(used float64, passed time.Duration) (all bool) {
	share := used / float64(g.few)
	switch {
	case share > busyShare:
		g.all, g.calm = true, 0
	case share > calmShare:
		g.calm = 0
	default:
		g.calm += passed
	}
	g.all = g.all && g.calm < calmFor
	return g.all
}

// Govern gives Go as many processors as the load needs, but no fewer than few, until ctx ends. few
// may change. Govern does nothing if it can't measure the load, or if there is only one processor.
func Govern(ctx context.Context, few func() int) {
	processors := runtime.GOMAXPROCS(0)
	if _, ok := cpuTime(); !ok || processors == 1 {
		return
	}
	defer runtime.SetDefaultGOMAXPROCS()
	ticker := time.NewTicker(loadInterval)
	defer ticker.Stop()
	g := governor{all: true}
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
		was := g
		g.few = few()
		switch all := g.next(float64(used-last)/float64(passed), passed); {
		case all && !was.all:
			runtime.SetDefaultGOMAXPROCS()
		case !all && (was.all || was.few != g.few):
			runtime.GOMAXPROCS(min(g.few, processors))
		}
		at, last = now, used
	}
}
