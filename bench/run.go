package bench

import (
	"context"
	"fmt"
	"time"
)

// measurement is one run.
type measurement struct {
	s        Settings
	perRound int
	rounds   int // of each side, as planned
	done     int // of each side
	pacer    *pacer
	sides    []*contender // direct, and through
	started  time.Time
}

// contender is one side: where to send to, and the outcome.
type contender struct {
	send  sender
	tally *tally
}

// Run measures. It ends when Settings.Duration is over and the round under way has its responses.
// It ends at once when ctx ends, which is no error, or when a side fails all requests, which is
// one. The report always has what was measured until then, without the requests that were under way
// when ctx ended.
//
// Rounds of half a second take turns in the order direct, through, through, direct, so
// that a machine that slows down or speeds up does so for both.
func Run(ctx context.Context, s Settings) (Report, error) {
	if err := s.Validate(); err != nil {
		return Report{}, err
	}
	m := newMeasurement(s)
	for _, side := range []struct{ name, url string }{{"direct", s.Target}, {"through", s.Through}} {
		if side.url == "" {
			continue
		}
		c, err := newClient(side.url, s.Header)
		if err != nil {
			return Report{}, fmt.Errorf("%s: %w", side.name, err)
		}
		defer c.close()
		m.enter(side.name, side.url, c.send)
	}
	return m.run(ctx)
}

func newMeasurement(s Settings) *measurement {
	m := &measurement{s: s, pacer: newPacer(s.Rate, s.Timeout)}
	m.perRound, m.rounds = s.plan()
	return m
}

func (m *measurement) enter(name, url string, send sender) {
	m.sides = append(m.sides, &contender{send: send, tally: newTally(name, url, m.s.Timeout)})
}

func (m *measurement) run(ctx context.Context) (Report, error) {
	m.started = time.Now()
	for m.done < m.rounds && !m.timeIsUp() {
		for i := range m.sides {
			side := m.sides[(i+m.done)%len(m.sides)]
			side.tally.add(m.pacer.round(ctx, m.perRound, side.send), m.done == 0)
			if ctx.Err() != nil {
				return m.report("interrupted"), nil
			}
			if err := side.tally.hopeless(); err != nil {
				return m.report(err.Error()), err
			}
		}
		m.done++
	}
	return m.report(""), nil
}

// timeIsUp reports whether slow responses have made the rounds take longer than planned. The
// warm-up and one round are always run: without them there is nothing to report.
func (m *measurement) timeIsUp() bool {
	return m.done > 1 && time.Since(m.started) >= m.s.Duration
}
