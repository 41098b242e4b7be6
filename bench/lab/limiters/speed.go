//go:build linux

package main

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// lane is a contestant with its table filled.
type lane struct {
	name string
	take taker
}

// fill opens a contestant, and takes once for every client.
func fill(c contestant, clients int) (lane, error) {
	take, err := c.open()
	if err != nil {
		return lane{}, fmt.Errorf("%s: %w", c.name, err)
	}
	v := newVisitor(clients, 0)
	for n := range clients {
		if !take(strings.Clone(v.client(uint64(n)))) {
			return lane{}, fmt.Errorf("%s refused the first request of a client", c.name)
		}
	}
	return lane{c.name, take}, nil
}

// run is the wall time of a take of a random client, with this many goroutines.
func (l lane) run(clients, workers, takes int, seed uint64) time.Duration {
	var all sync.WaitGroup
	each := takes / workers
	start := time.Now()
	for w := range workers {
		all.Go(func() {
			v := newVisitor(clients, seed*uint64(workers)+uint64(w)+1)
			for range each {
				l.take(v.next())
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// race runs all lanes in turn, round by round, each round starting with another lane. The times are
// in nanoseconds a take, one for each round.
func race(lanes []lane, clients, workers, takes, rounds int) map[string][]float64 {
	times := map[string][]float64{}
	runtime.GC()
	for r := range rounds {
		for i := range lanes {
			l := lanes[(i+r)%len(lanes)]
			took := l.run(clients, workers, takes, uint64(r))
			times[l.name] = append(times[l.name], float64(took.Nanoseconds())/float64(takes))
		}
	}
	return times
}

// lessID subtracts what making the client_id costs, which every lane pays. It would bring ratios
// closer to 1.
func lessID(times map[string][]float64) map[string][]float64 {
	out := map[string][]float64{}
	for name, ts := range times {
		if name == idName {
			continue
		}
		for i, t := range ts {
			out[name] = append(out[name], t-times[idName][i])
		}
	}
	return out
}

// ratios are between figures of the same round.
func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

// crowd races all contestants over that many random clients.
func (s *suite) crowd(clients, workers int) (map[string][]float64, error) {
	var lanes []lane
	for _, c := range contestants() {
		l, err := fill(c, clients)
		if err != nil {
			return nil, err
		}
		lanes = append(lanes, l)
	}
	return lessID(race(lanes, clients, workers, s.takes, s.rounds)), nil
}

// hot measures clients that are few enough for the caches.
func (s *suite) hot() error {
	times, err := s.crowd(s.fewClients, 1)
	if err != nil {
		return err
	}
	s.table("ns a take, "+count(s.fewClients)+" random clients, one goroutine", times)
	s.row("Take, "+count(s.fewClients)+" clients / bare loop", "<= 1.15", "<= 1.0", ratios(times[oursName], times[bareName]))
	s.row("Take, "+count(s.fewClients)+" clients / golang.org/x/time/rate", "<= 0.9", "", ratios(times[oursName], times[xrateName]))
	return s.refused()
}

// refused measures clients that are out of tokens.
func (s *suite) refused() error {
	id, err := fill(contestants()[0], s.fewClients)
	if err != nil {
		return err
	}
	bare, err := fill(contestant{bareName, openBare}, s.fewClients)
	if err != nil {
		return err
	}
	ours, err := fill(contestant{oursName, func() (taker, error) { return openOurs(stingy()) }}, s.fewClients)
	if err != nil {
		return err
	}
	times := lessID(race([]lane{id, bare, ours}, s.fewClients, 1, s.takes, s.rounds))
	s.row("Take refused, "+count(s.fewClients)+" clients / bare loop, which allows", "<= 1.15", "<= 1.0", ratios(times[oursName], times[bareName]))
	known, err := fill(contestants()[2], 1)
	if err != nil {
		return err
	}
	s.row("allocations a take, of "+oursName, "0", "", []float64{
		testing.AllocsPerRun(s.takes, func() { known.take("client-000000000") }) + testing.AllocsPerRun(s.takes, func() { ours.take("client-000000000") }),
	})
	return nil
}

// cold measures clients that are too many for the caches.
func (s *suite) cold() error {
	for _, workers := range []int{1, runtime.NumCPU()} {
		times, err := s.crowd(s.manyClients, workers)
		if err != nil {
			return err
		}
		s.table(fmt.Sprintf("ns a take, %s random clients, %d goroutines", count(s.manyClients), workers), times)
		if workers == 1 {
			s.row("Take, "+count(s.manyClients)+" clients / bare loop", "<= 1.1", "<= 0.7", ratios(times[oursName], times[bareName]))
		}
	}
	return nil
}

// oneKey measures takes that all are the same client's.
func (s *suite) oneKey() error {
	times := map[string][]float64{}
	procs := runtime.NumCPU()
	var many, one []float64
	for _, c := range contestants() {
		if c.name == idName {
			continue
		}
		l, err := fill(c, 1)
		if err != nil {
			return err
		}
		alone := race([]lane{l}, 1, 1, s.takes, s.rounds)[l.name]
		all := race([]lane{l}, 1, procs, s.takes, s.rounds)[l.name]
		times[l.name+", 1 goroutine"], times[fmt.Sprintf("%s, %d goroutines", l.name, procs)] = alone, all
		if c.name == oursName {
			one, many = alone, all
		}
	}
	s.table("ns a take by the wall, one client", times)
	s.row(fmt.Sprintf("one hot key, %d procs / one proc, ns a take by the wall", procs), "<= 1.0", "", ratios(many, one))
	return nil
}
