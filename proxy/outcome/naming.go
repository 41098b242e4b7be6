package outcome

import (
	"cmp"
	"maps"
	"slices"
)

// names are what is counted by the names that a configuration has.
type names struct {
	traffic map[way]*Traffic
	takes   map[string]*Takes
}

func newNames(unrouted *Traffic) *names {
	return &names{map[way]*Traffic{{}: unrouted}, map[string]*Takes{}}
}

// way is a route and the pool that its requests go to.
type way struct{ route, pool string }

// Naming makes what counts by the names of a configuration. What was counted by the same name goes
// on where it is, and what the configuration doesn't name ends.
type Naming struct {
	r           *Recorder
	before, now *names
}

// Naming begins that of another configuration. One goroutine may do so at a time.
func (r *Recorder) Naming() *Naming {
	return &Naming{r, r.names.Load(), newNames(r.unrouted)}
}

// Traffic counts the requests of a route that go to a pool; "" is none.
func (n *Naming) Traffic(route, pool string) *Traffic {
	w := way{route, pool}
	n.now.traffic[w] = cmp.Or(n.now.traffic[w], n.before.traffic[w])
	if n.now.traffic[w] == nil {
		n.now.traffic[w] = newTraffic(route, pool)
	}
	return n.now.traffic[w]
}

// Takes counts what a limit says.
func (n *Naming) Takes(limit string) *Takes {
	n.now.takes[limit] = cmp.Or(n.now.takes[limit], n.before.takes[limit])
	if n.now.takes[limit] == nil {
		n.now.takes[limit] = newTakes(limit)
	}
	return n.now.takes[limit]
}

// End has what was named be what there is.
func (n *Naming) End() { n.r.names.Store(n.now) }

// Traffic is what was counted by route and pool, in the order of their names.
func (r *Recorder) Traffic() []TrafficStats {
	var all []TrafficStats
	traffic := r.names.Load().traffic
	for _, w := range slices.SortedFunc(maps.Keys(traffic), way.compare) {
		all = append(all, traffic[w].stats())
	}
	return all
}

func (w way) compare(other way) int {
	return cmp.Or(cmp.Compare(w.route, other.route), cmp.Compare(w.pool, other.pool))
}

// Takes is what the limits said, in the order of their names.
func (r *Recorder) Takes() []TakesStats {
	var all []TakesStats
	takes := r.names.Load().takes
	for _, limit := range slices.Sorted(maps.Keys(takes)) {
		all = append(all, takes[limit].stats())
	}
	return all
}
