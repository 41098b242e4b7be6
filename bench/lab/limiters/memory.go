//go:build linux

package main

import "runtime"

// memory measures what a bucket takes, including its client_id of 16 bytes and its share of the
// map.
func (s *suite) memory() error {
	for _, clients := range []int{s.manyClients, s.allClients} {
		per, err := bytesPerBucket(contestant{oursName, func() (taker, error) { return openOurs(plenty()) }}, clients)
		if err != nil {
			return err
		}
		s.row("bytes a bucket, 16-byte keys, "+count(clients), "<= 128", "<= 96", []float64{per})
	}
	sizes := map[string][]float64{}
	for _, c := range contestants()[1:] {
		per, err := bytesPerBucket(c, s.manyClients)
		if err != nil {
			return err
		}
		sizes[c.name] = []float64{per}
	}
	s.table("bytes a client, 16-byte keys, "+count(s.manyClients)+" clients", sizes)
	return s.worstMemory()
}

// worstMemory measures every stage of a growing table, since maps have just doubled at some of
// them.
func (s *suite) worstMemory() error {
	take, err := openOurs(plenty())
	if err != nil {
		return err
	}
	before, worst, v := heap(), 0.0, newVisitor(s.allClients, 0)
	next := s.manyClients
	for n := range s.allClients {
		take(v.client(uint64(n)))
		if n+1 == next {
			worst = max(worst, float64(heap()-before)/float64(n+1))
			next += next / 8
		}
	}
	runtime.KeepAlive(take)
	s.row("the same, at the worst on the way from "+count(s.manyClients)+" to "+count(s.allClients), "<= 128", "", []float64{worst})
	return nil
}

func bytesPerBucket(c contestant, clients int) (float64, error) {
	before := heap()
	l, err := fill(c, clients)
	if err != nil {
		return 0, err
	}
	held := heap() - before
	runtime.KeepAlive(l)
	return float64(held) / float64(clients), nil
}

// heap is in bytes, of what is reachable.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first one may end with garbage that it took for live
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
