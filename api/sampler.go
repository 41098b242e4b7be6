package api

import (
	"context"
	"fmt"
	"time"

	"gopher-equalizer/api/live"
	"gopher-equalizer/proxy/meter"
)

// samplePause is the time between two samples.
const samplePause = time.Second

// sampler takes samples, and compares each with the one before. One goroutine takes them.
type sampler struct {
	feed live.Feed
	// at is when the last sample was taken, before what was counted until then, and limited how
	// many requests limits had refused.
	at      time.Time
	before  map[string]traffic
	limited int64
	// latencies are those of the backends until the last sample, by id; nil while nobody watches.
	latencies map[string]meter.Distribution
}

// traffic is what was counted of the requests of a route.
type traffic struct {
	responses map[string]int64 // by class of status
	durations meter.Distribution
}

// passed is what was counted of routes, by name, until now and until the last sample.
type passed struct{ now, before map[string]traffic }

// since is how long the requests of a route took that ended since the last sample.
func (p passed) since(route string) meter.Distribution {
	now, before := p.now[route], p.before[route]
	return now.durations.Since(&before.durations)
}

// sample takes samples until ctx ends.
func (s *Server) sample(ctx context.Context) {
	ticker := time.NewTicker(samplePause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := s.sampler.take(s.current.Load(), now); err != nil {
				s.log.Error().Err(err).Msg("a sample for GET /events failed")
			}
		}
	}
}

// take takes a sample of what a snapshot serves.
func (m *sampler) take(s *snapshot, now time.Time) (err error) {
	passed := passed{now: trafficOf(s.counts()), before: m.before}
	limited := s.sources.Status().Requests.Limited
	point := passed.point()
	point.At, point.Limited = now.UnixMilli(), limited-m.limited
	if !m.at.IsZero() {
		point.Seconds = now.Sub(m.at).Seconds()
	}
	var state live.State
	if m.feed.Watched() {
		if state, err = live.StateOf(s.sample(passed, m.backends(s))); err != nil {
			err = fmt.Errorf("GET /events: %w", err)
		}
	} else {
		m.latencies = nil
	}
	if point.Seconds > 0 { // The first one has no time that it counts for.
		m.feed.Add(point, state)
	}
	m.at, m.before, m.limited = now, passed.now, limited
	return err
}

// backends are those that there are, by id. In the first sample after nobody has watched nothing is
// known of how fast they are.
func (m *sampler) backends(s *snapshot) map[string]BackendSample {
	all, latencies := map[string]BackendSample{}, map[string]meter.Distribution{}
	for _, b := range s.sources.Backends() {
		id, view := b.ID(), BackendSample{Backend: viewBackend(b)}
		if before, known := m.latencies[id]; known {
			since := b.Latency.Since(&before)
			view.P50, view.P99 = since.Quantile(0.5).Seconds(), since.Quantile(0.99).Seconds()
		}
		all[id], latencies[id] = view, b.Latency
	}
	m.latencies = latencies
	return all
}

// trafficOf is what was counted, by route.
func trafficOf(counts Counts) map[string]traffic {
	routes := map[string]traffic{}
	for i := range counts.Traffic {
		of := &counts.Traffic[i]
		t, known := routes[of.Route]
		if !known {
			t.responses = map[string]int64{}
		}
		for class := range of.Durations {
			t.durations.Add(&of.Durations[class])
		}
		for _, r := range of.Requests {
			t.responses[classOf(r.Code)] += r.Count
		}
		routes[of.Route] = t
	}
	return routes
}

// classOf is the class of a status, such as "5xx".
func classOf(code string) string {
	if code == "" {
		return ""
	}
	return code[:1] + "xx"
}

// point is the sum of what the routes have counted since the last sample.
func (p passed) point() live.Point {
	point := live.Point{Responses: map[string]int64{}}
	var durations meter.Distribution
	for name, t := range p.now {
		since := p.since(name)
		durations.Add(&since)
		for class, n := range t.responses {
			if since := n - p.before[name].responses[class]; since > 0 {
				point.Responses[class] += since
			}
		}
	}
	point.P50, point.P99 = durations.Quantile(0.5).Seconds(), durations.Quantile(0.99).Seconds()
	return point
}
