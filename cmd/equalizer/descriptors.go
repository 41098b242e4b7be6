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
	// leastRunning is how many requests of HTTP/2 may run at least, where the limit of open files
	// has room for all backends' connections: some are answered without one.
	leastRunning = 1000
	// fewConnections is the number of clients at a time that the limit of open files should have
	// room for. With less there is a warning.
	fewConnections = 10_000
)

// descriptors divides the limit of open files.
type descriptors struct {
	// limit is the limit of open files; 0 if there is none.
	limit int
	// own is how many aren't for traffic, pipes how many pipes there may be, and backends how many
	// connections to backends. running is how many requests of HTTP/2 may run, 0 without HTTP/2:
	// each may need one of those, or wait for one among those that queued bounds.
	own, pipes, backends, queued, running int
}

func newDescriptors(c config.Config, limit int) descriptors {
	d := descriptors{limit: limit, own: ownFiles, pipes: limit / pipeShare / pipeFiles}
	for _, pool := range c.Pools {
		n := len(pool.Backends)
		d.own += probeFiles * n
		d.backends += n * pool.MaxConnections
		d.queued += pool.Queue
	}
	if c.HasHTTP2() {
		d.running = d.maxRunning(c.Server.MaxRunning)
	}
	return d
}

// maxRunning is the bound on the requests of HTTP/2 that run. If 0 is configured, it is as many as
// backends have connections for, and queues room; or a quarter of the files, if those are fewer
// than all of the former.
func (d descriptors) maxRunning(configured int) int {
	left := d.left()
	switch {
	case d.limit == 0 || d.backends <= left/2:
		return cmp.Or(configured, max(d.backends+d.queued, leastRunning))
	case configured == 0:
		return max(1, left/4)
	}
	return max(1, min(configured, left/2))
}

// left is how many descriptors the limit leaves for connections.
func (d descriptors) left() int { return d.limit - d.own - pipeFiles*d.pipes }

// clients is how many connections of clients the limit has room for, at least one. Each may need a
// connection to a backend, or as many of them as requests may run, until all of those are in use.
func (d descriptors) clients() int {
	left := d.left()
	return max(1, (left-d.running)/2, left-d.backends)
}

// files is how many descriptors that many clients need.
func (d descriptors) files(clients int) int {
	return d.limit - d.left() + clients + min(clients+d.running, d.backends)
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
