//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// collectEvery is how often we assume the garbage to be collected. In a proxy that serves known
// clients it is every two minutes, when the runtime insists.
const collectEvery = time.Minute

// gc measures what collecting garbage among many buckets costs the requests of a proxy in the same
// process. Two proxies run side by side, one with the buckets and one without. They take turns of a
// few seconds at one load, so that what else the machine does hits both. In every second turn the
// garbage is collected once, so that there are many collections to measure. Their effect on all
// requests is computed from how often there is one.
func (s *suite) gc() error {
	sender, err := startChild(loadRole)
	if err != nil {
		return err
	}
	defer sender.stop()
	var proxies [2]*child
	for i, buckets := range [2]int{0, s.allClients} {
		if proxies[i], err = startChild(proxyRole, sender.address, strconv.Itoa(buckets)); err != nil {
			return err
		}
		defer proxies[i].stop()
		if _, err := requests(sender, proxies[i], s.gcTurn); err != nil { // connects
			return err
		}
	}
	rounds := make([][2]gcSide, s.gcRounds)
	for i := range rounds {
		if rounds[i], err = s.gcRound(sender, proxies); err != nil {
			return err
		}
	}
	s.gcReport(rounds)
	return nil
}

// gcReport takes p99.9 from all requests, since a round has too few of them for it. Its uncertainty
// is how it varies when any one round is left out.
func (s *suite) gcReport(rounds [][2]gcSide) {
	const q = 0.999
	names := [2]string{"with no buckets", "with " + count(s.allClients) + " buckets"}
	var most [2][]float64 // of all rounds except one
	figures := map[string][]float64{}
	for i := range rounds {
		others := pooled(slices.Concat(rounds[:i], rounds[i+1:]))
		for side, name := range names {
			most[side] = append(most[side], milliseconds(others[side].quantile(s.gcTurn, q)))
			figures[name] = append(figures[name], milliseconds(rounds[i][side].quantile(s.gcTurn, q)))
		}
	}
	s.row(fmt.Sprintf("p99.9 of proxied requests, %s buckets / none, one collection in %v; all rounds but one at a time", count(s.allClients), collectEvery),
		"<= 1.2", "", ratios(most[1], most[0]))
	s.table(fmt.Sprintf("proxied requests at %d a second: p99.9 in ms", loadRate), figures)
	all := pooled(rounds)
	for i, name := range names {
		side := &all[i]
		s.note("Requests %s: p99.9 %v; within %v of a collection p99 %v, p99.9 %v, the longest %v; else p99 %v, p99.9 %v, the longest %v. A collection took %s ms.",
			name, side.quantile(s.gcTurn, q), s.gcTurn,
			side.collecting.quantile(0.99), side.collecting.quantile(q), side.collecting.Longest,
			side.others.quantile(0.99), side.others.quantile(q), side.others.Longest, spread(side.took))
	}
}

// pooled sums up several rounds.
func pooled(rounds [][2]gcSide) (all [2]gcSide) {
	for i := range rounds {
		for side := range all {
			all[side].merge(&rounds[i][side])
		}
	}
	return all
}

// gcSide has the latencies of one proxy's clients, in the turns in which garbage was collected and
// in the others.
type gcSide struct {
	collecting, others histogram
	took               []float64 // of each collection, in ms
}

// quantile is the quantile of all requests.
func (g *gcSide) quantile(turn time.Duration, q float64) time.Duration {
	return mixed(&g.others, &g.collecting, min(1, turn.Seconds()/collectEvery.Seconds()), q)
}

func (g *gcSide) merge(other *gcSide) {
	g.collecting.merge(&other.collecting)
	g.others.merge(&other.others)
	g.took = append(g.took, other.took...)
}

// gcRound runs turns of both proxies, which alternate in being the first.
func (s *suite) gcRound(sender *child, proxies [2]*child) (round [2]gcSide, err error) {
	for turn := range 2 * s.gcTurns {
		for n := range proxies {
			i := (n + turn/2) % 2
			if err := s.gcTurnOf(&round[i], sender, proxies[i], turn%2 == 0); err != nil {
				return round, err
			}
		}
	}
	return round, nil
}

// gcTurnOf runs one turn of requests to a proxy, which collects its garbage meanwhile, or doesn't.
func (s *suite) gcTurnOf(side *gcSide, sender, p *child, collects bool) error {
	if !collects {
		h, err := requests(sender, p, s.gcTurn)
		if err == nil {
			side.others.merge(h)
		}
		return err
	}
	var took time.Duration
	collected := make(chan error, 1)
	timer := time.AfterFunc(s.gcTurn/4, func() { collected <- p.ask("collect", &took) })
	h, err := requests(sender, p, s.gcTurn)
	if err != nil {
		timer.Stop()
		return err
	}
	side.collecting.merge(h)
	err = <-collected
	side.took = append(side.took, milliseconds(took))
	return err
}

// requests runs a turn of requests to one proxy.
func requests(sender, p *child, d time.Duration) (*histogram, error) {
	var r loadResult
	if err := sender.ask(loadRequest{p.address, d}, &r); err != nil {
		return nil, err
	}
	if r.Failed > 0 || r.Latencies.Total == 0 {
		return nil, fmt.Errorf("%d of %d requests failed", r.Failed, r.Latencies.Total)
	}
	return &r.Latencies, nil
}
