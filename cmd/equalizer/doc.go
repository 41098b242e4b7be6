// Command equalizer is an HTTP edge proxy. It balances requests over health-checked backends, holds
// a token bucket for each client, and keeps the buckets over restarts.
//
// # Start
//
// In order: the configuration, the store, the load, the admin API, the first probes, the public
// listener. Then /readyz is 200 (serve.go). What ends a start is a line of the log, in the log's
// form. SIGHUP, SIGUSR1 and SIGUSR2 are logged and change nothing: SIGHUP also comes when a
// terminal is closed.
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
// A successor that is started at the end of 1 serves within a second, beside a predecessor whose
// tunnels go on. It waits for the store (store.connect_timeout), which a predecessor holds for
// drain_delay, half a second, and a flush, which takes shutdown_timeout + store.timeout at worst;
// and it waits two seconds at most for an address that is taken.
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
// pipes of large responses have an eighth of the limit; with none left, responses are copied.
package main
