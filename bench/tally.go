package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// hopelessAfter is after how many requests without any success in their rounds a side is given up.
const hopelessAfter = 10

// maxReasons is how many reasons are counted apart. Others are counted as otherReasons.
const (
	maxReasons   = 10
	otherReasons = "other errors"
)

// tally is the outcome of a side's requests so far.
type tally struct {
	name    string // for people
	timeout time.Duration
	side    Side
	rounds  [][]time.Duration // what the successes of each measured round took
	barren  int               // requests since the last round with a success in it
}

func newTally(name, url string, timeout time.Duration) *tally {
	return &tally{
		name: name, timeout: timeout,
		side: Side{URL: url, Responses: map[int]int{}, Errors: map[string]int{}},
	}
}

// add counts a round. The times of the warm-up, in which connections are made, don't count.
func (t *tally) add(results []result, warmup bool) {
	var took []time.Duration
	for _, r := range results {
		t.count(r)
		if r.ok() {
			took = append(took, r.latency)
		}
	}
	if len(took) > 0 {
		t.barren = 0
	} else {
		t.barren += len(results)
	}
	if warmup {
		t.side.Warmup += len(results)
	} else {
		t.rounds = append(t.rounds, took)
	}
}

func (t *tally) count(r result) {
	t.side.Requests++
	if r.late {
		t.side.Late++
	}
	if !r.ok() {
		t.side.Failures++
	}
	if r.err == nil {
		t.side.Responses[r.status]++
		return
	}
	reason := why(r.err, t.timeout)
	if _, known := t.side.Errors[reason]; !known && len(t.side.Errors) >= maxReasons {
		reason = otherReasons
	}
	t.side.Errors[reason]++
}

// hopeless is why a side is given up; nil if it isn't.
func (t *tally) hopeless() error {
	if t.barren < hopelessAfter {
		return nil
	}
	if t.barren == t.side.Requests {
		return fmt.Errorf("%s, %s: all %d requests failed (%s)", t.name, t.side.URL, t.side.Requests, t.side.outcomes())
	}
	return fmt.Errorf("%s, %s: the last %d requests all failed (of all %d: %s)", t.name, t.side.URL, t.barren, t.side.Requests, t.side.outcomes())
}

// done returns the side with its percentiles.
func (t *tally) done() Side {
	s := t.side
	s.Latency = latencyOf(slices.Concat(t.rounds...))
	return s
}

// outcomes describes the outcome of the requests: "200: 990, 429: 10".
func (s Side) outcomes() string {
	var parts []string
	for _, status := range sortedKeys(s.Responses) {
		parts = append(parts, fmt.Sprintf("%d: %d", status, s.Responses[status]))
	}
	for _, reason := range sortedKeys(s.Errors) {
		parts = append(parts, fmt.Sprintf("%s: %d", reason, s.Errors[reason]))
	}
	if len(parts) == 0 {
		return "no request ended"
	}
	return strings.Join(parts, ", ")
}
