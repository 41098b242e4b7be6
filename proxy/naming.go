package proxy

import "gopher-equalizer/proxy/outcome"

// name has the requests of a snapshot's routes be counted by the names that it has. It comes before
// the first of them.
func (p *Proxy) name(s *Snapshot) {
	n := p.record.Naming()
	for _, r := range s.Routes.Routes() {
		r.Value.name(n)
	}
	n.End()
}

func (r *Route) name(n *outcome.Naming) {
	put(&r.traffic, n.Traffic(r.Name, ""))
	for _, d := range r.destinations() {
		put(&d.traffic, n.Traffic(r.Name, d.Name))
	}
	for i := range r.Limits {
		use := &r.Limits[i]
		put(&use.takes, n.Takes(use.Name))
	}
}

// put puts a pointer in place, and writes nothing if it is there: requests may be reading it.
func put[T any](at **T, to *T) {
	if *at != to {
		*at = to
	}
}
