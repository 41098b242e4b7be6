package bench

import (
	"context"
	"sync"
	"time"
)

// maxInFlight is how many requests may wait for their responses at once, so that a target that
// hangs doesn't cost a connection for every request that is due.
const maxInFlight = 512

// lateAfter is how late a request must be sent to be reported as late.
const lateAfter = 10 * time.Millisecond

// sender sends one request and reads its response to the end, or until ctx ends.
type sender func(ctx context.Context) outcome

// outcome is the result of a request: the response's status, or why there is no response.
type outcome struct {
	status int
	err    error
}

func (o outcome) ok() bool { return o.err == nil && o.status < 400 }

// result is an outcome and how long it took.
type result struct {
	outcome
	latency time.Duration
	late    bool // sent over lateAfter after it was due, and not because the target was slow
	cut     bool // the run was over before the response
}

// pacer sends requests when they are due, even if earlier ones have no response yet: a target that
// stalls gets no pause that would hide the stall ("coordinated omission").
//
// The vegeta library won't do. It brings seven modules, can't end a request under way when the run
// is interrupted, and doesn't count the time that a request waits for one of its bounded workers.
type pacer struct {
	interval time.Duration
	timeout  time.Duration
	slots    chan struct{} // one for each request under way
	behind   bool          // requests have waited for slots, and those that are due aren't all sent
}

func newPacer(rate int, timeout time.Duration) *pacer {
	return &pacer{
		interval: time.Second / time.Duration(rate),
		timeout:  timeout,
		slots:    make(chan struct{}, maxInFlight),
	}
}

// round sends n requests, and returns once the last of them has its response. If ctx ends earlier,
// there are fewer results.
func (p *pacer) round(ctx context.Context, n int, send sender) []result {
	results := make([]result, n)
	var underWay sync.WaitGroup
	start, begun := time.Now(), 0
	for ; begun < n; begun++ {
		due := start.Add(time.Duration(begun) * p.interval)
		from, ok := p.admit(ctx, due)
		if !ok {
			break
		}
		r := &results[begun]
		r.late = from.Sub(due) > lateAfter
		underWay.Go(func() {
			defer func() { <-p.slots }()
			p.exchange(ctx, from, send, r)
		})
	}
	underWay.Wait()
	return finished(results[:begun])
}

// admit waits until a request is due and there is a slot for it. from is when its time begins: now,
// so that this machine's timers don't count against the target. If it had to wait for a slot, which
// is the target's fault, it is when the request was due. ok is false if ctx ended.
func (p *pacer) admit(ctx context.Context, due time.Time) (from time.Time, ok bool) {
	if wait := time.Until(due); wait > 0 {
		p.behind = false
		if !sleep(ctx, wait) {
			return from, false
		}
	}
	select {
	case p.slots <- struct{}{}:
	default:
		p.behind = true
		p.slots <- struct{}{} // soon: every request under way ends with its timeout, or with ctx
	}
	if ctx.Err() != nil {
		<-p.slots
		return from, false
	}
	if p.behind {
		return due, true
	}
	return time.Now(), true
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *pacer) exchange(ctx context.Context, from time.Time, send sender, r *result) {
	limited, cancel := context.WithDeadline(ctx, from.Add(p.timeout))
	defer cancel()
	r.outcome = send(limited)
	r.latency = time.Since(from)
	r.cut = r.err != nil && ctx.Err() != nil
}

// finished leaves out requests that were cut off.
func finished(results []result) []result {
	kept := results[:0]
	for _, r := range results {
		if !r.cut {
			kept = append(kept, r)
		}
	}
	return kept
}
