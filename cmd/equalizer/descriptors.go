package main

import (
	"cmp"

	"github.com/rs/zerolog"

	"gopher-equalizer/config"
)

const (
	// ownFiles is how many descriptors are kept for what isn't traffic: the listeners, the store, the
	// log, the poller, name servers, and a few dozen connections of the admin API.
	ownFiles = 64
	// probeFiles is how many a backend's probes take.
	probeFiles = 2
	// fewConnections is below how many clients at a time the limit of open files is worth a warning.
	fewConnections = 10_000
)

// descriptors is what the limit of open files leaves for traffic.
type descriptors struct {
	// limit is the limit of open files; 0 where there is none.
	limit int
	// own is what isn't traffic, backends the most connections to backends.
	own, backends int
}

func newDescriptors(c config.Config, limit int) descriptors {
	_, pool := onlyPool(c)
	n := len(pool.Backends)
	return descriptors{limit: limit, own: ownFiles + probeFiles*n, backends: n * pool.MaxConnections}
}

// clients is how many connections of clients the limit has room for, one at least. Each may need
// one to a backend, as far as those go.
func (d descriptors) clients() int {
	left := d.limit - d.own
	return max(1, left/2, left-d.backends)
}

// files is how many descriptors so many clients need.
func (d descriptors) files(clients int) int { return d.own + clients + min(clients, d.backends) }

// maxConnections is the bound on the connections of clients, 0 for none, with a warning if the
// limit of open files is low.
func maxConnections(c config.Config, limit int, log zerolog.Logger) int {
	d := newDescriptors(c, limit)
	n := c.Server.MaxConnections
	if limit == 0 {
		return n
	}
	room, wanted := d.clients(), cmp.Or(n, fewConnections)
	if room < wanted {
		log.Warn().Int("open_files", limit).Int("wanted", d.files(wanted)).Int("max_connections", room).
			Msg("the limit of open files is low (ulimit -n, LimitNOFILE): past max_connections clients wait until one leaves")
	}
	return min(room, cmp.Or(n, room))
}
