// Command equalizer is an HTTP edge proxy. It balances requests over health-checked backends, holds
// a token bucket for each client, and keeps the buckets over restarts.
//
// # Commands
//
// Those that operate a running process (operate_*.go) know it by its configuration and call its
// admin API. They hold nothing of their own, so whatever a command does, curl can do.
//
// # Start
//
// In order: the configuration, the store, the load, the admin API, the first probes, the public
// listener. Then /readyz is 200 (serve.go). What ends a start is a line of the log, in the log's
// form. SIGUSR1 and SIGUSR2 are logged and change nothing.
//
// With store.standby the admin API comes first, and says that this process isn't ready, while the
// start waits for the process that holds the store (standby.go).
//
// # Reload (SIGHUP, POST /reload, reload_on_change)
//
// The configuration is read again, and is in force whole or not at all. A change (build.go) goes
// through three steps, and the start goes through the same ones:
//
//  1. Prepare. Limits, pools, routes and pages are made, and files of certificates are read.
//     Backends that are new are probed once. New listeners are opened last, since connections wait
//     for them from then on. Any of it may fail. Then what was made is discarded, and nothing has
//     changed.
//  2. Publish: in memory, at once, and it can't fail. What begins from then on is served by the new
//     configuration. Requests and tunnels go on by the one that they began with.
//  3. Drain. What waits for a listener that is gone is accepted. A backend that is gone finishes
//     what runs there.
//
// Kept are listeners by address, pools by name, backends by URL and certificates, limits by name.
// So no connection is closed, no probe's result forgotten, and no token given back. A store that is
// open stays: only its intervals, timeouts, durability and password may change (restart.go).
//
// The environment is that of the process's start.
//
// One reload runs and one waits for it; a third is refused (queue.go). A SIGHUP is remembered
// instead, also during the start, and several are one. A stop cancels the reload that runs, unless
// it has published. Files are looked at once a second, those of certificates or all, as
// reload_on_change says (watch.go). A changed certificate goes the same way, with the configuration
// that is in force.
//
// # Backends without a reload
//
// The backends of a pool may change while its configuration stays: the addresses of their names
// (names.go), and those that are in a file (backendsfile.go), which is watched in any case. Such a
// change prepares, probes and applies one pool's balancer.Change. It touches nothing else, so that
// neither a certificate of a listener's that can't be read nor a store that is away is in its way.
// Reloads and these changes wait for each other.
//
// # Stop (SIGTERM, SIGINT)
//
//  1. /readyz is 503, and every response says "Connection: close". Connections are accepted as
//     before, for drain_delay.
//  2. The admin API's listener is closed, and its requests run to their end. What waits for the
//     public listener is accepted, then that is closed, too.
//  3. Heads that have begun to arrive get half a second, then 408. Connections that wait for a
//     request are closed, those without a request yet after the same time. Once no connection has a
//     request that isn't admitted (its token taken, or refused), no token will be spent any more.
//  4. The last flush. The store is released. Later admin writes are 503.
//  5. What is being relayed goes on: responses, uploads, event streams, WebSockets.
//     shutdown_timeout counts from the end of 1. What is left then is cut, with the reason
//     cut-at-stop in its lines of the log. The exit is 0, or 1 with how many buckets were not
//     flushed.
//
// A second signal exits at once, with 130.
//
// A successor that is started at the end of 1 serves as soon as it has loaded the buckets, beside a
// predecessor whose tunnels go on. It waits for the store (store.connect_timeout), which a
// predecessor holds for drain_delay, half a second, and a flush, which takes shutdown_timeout +
// store.timeout at worst; and it waits two seconds at most for an address that is taken.
//
// The request under way on a connection gets its response with "Connection: close". What its client
// pipelined behind it is not processed. That response is the connection's last, so the client knows
// and may send the rest again (RFC 9112, sections 9.3.2 and 9.6).
//
// # Inherited sockets
//
// With sd_listen_fds(3), the supervisor goes on listening after step 2, so connections wait and
// aren't refused (inherit.go). But it starts the successor only when this process has ended.
// Tunnels and event streams, whose clients come back by themselves, are then cut tunnel_grace after
// step 4; everything else has shutdown_timeout. FileDescriptorName= names all sockets of a systemd
// unit, so there is a socket unit for each of the two listeners.
//
// # Descriptors
//
// server.max_connections bounds the clients' connections. By default it is what the limit of open
// files leaves when backends, probes, store, log and admin API have theirs (descriptors.go). The
// pipes of large responses have an eighth of the limit; with none left, responses are copied. Many
// requests of HTTP/2 come over one connection, and each may need one to a backend: max_running
// bounds those.
package main
