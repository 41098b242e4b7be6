package main

import (
	"cmp"

	"github.com/rs/zerolog"

	"gopher-equalizer/config"
)

const (
	// ownFiles is how many descriptors are kept for everything except traffic: the listeners, the
	// store, the log, the poller, name servers, and a few dozen connections of the admin API.
	ownFiles = 64
	// probeFiles is how many a backend's probes take, and pipeFiles how many a pipe takes.
	probeFiles, pipeFiles = 2, 2
	// pipeShare is the part of the limit of open files that pipes for large responses may take.
	pipeShare = 8
	// fewConnections is the number of clients at a time that the limit of open files should have
	// room for. With less there is a warning.
	fewConnections = 10_000
)

// descriptors divides the limit of open files.
type descriptors struct {
	// limit is the limit of open files; 0 if there is none.
	limit int
	// own is how many aren't for traffic, pipes how many pipes there may be, and backends how many
	// connections to backends.
	own, pipes, backends int
}

func newDescriptors(c config.Config, limit int) descriptors {
	d := descriptors{limit: limit, own: ownFiles, pipes: limit / pipeShare / pipeFiles}
	for _, pool := range c.Pools {
		n := len(pool.Backends)
		d.own += probeFiles * n
		d.backends += n * pool.MaxConnections
	}
	return d
}

// clients is how many connections of clients the limit has room for, at least one. Each may need a
// connection to a backend, until all of those are in use.
func (d descriptors) clients() int {
	left := d.limit - d.files(0)
	return max(1, left/2, left-d.backends)
}

// files is how many descriptors that many clients need.
func (d descriptors) files(clients int) int {
	return d.own + pipeFiles*d.pipes + clients + min(clients, d.backends)
}

// maxConnections is the bound on the connections of clients; 0 is no bound. If 0 is configured, it
// is as many as there is room for. It warns if the limit of open files is low.
func (d descriptors) maxConnections(configured int, log zerolog.Logger) int {
	if d.limit == 0 {
		return configured
	}
	room, wanted := d.clients(), cmp.Or(configured, fewConnections)
	if room < wanted {
		log.Warn().Int("open_files", d.limit).Int("wanted", d.files(wanted)).Int("max_connections", room).
			Msg("the limit of open files is low (ulimit -n, LimitNOFILE): past max_connections clients wait until one leaves")
	}
	return min(room, cmp.Or(configured, room))
}
