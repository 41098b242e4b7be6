//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// kind is one kind of load: a number of clients that each do the same at intervals. If the result
// isn't as expected, the run fails.
type kind struct {
	name     string
	about    string
	clients  int
	every    time.Duration
	exchange func(ctx context.Context, c *client) error
	// lasting means that an exchange takes as long as the client's lasts.
	lasting bool
	// h2 means that it is by HTTP/2 over TLS, and all clients are on one connection.
	h2 bool
}

// kinds is the mix of some 1,300 exchanges a second. They test the program by time, not by load.
func kinds() []kind {
	all := byH1()
	for _, k := range byH2() {
		k.name, k.h2 = "h2-"+k.name, true
		all = append(all, k)
	}
	return all
}

func byH1() []kind {
	return []kind{
		{name: "small", about: "16 bytes, over connections that are kept", clients: 8, every: 20 * time.Millisecond, exchange: small},
		{name: "new", about: "16 bytes, each over a new connection", clients: 2, every: 20 * time.Millisecond, exchange: onNewConnection},
		{name: "large", about: "1 MiB, every byte of it checked", clients: 2, every: 200 * time.Millisecond, exchange: largeAnswer},
		{name: "slow", about: "responses that come in pieces over half a second", clients: 8, every: time.Second, exchange: slowResponse},
		{name: "reader", about: "1 MiB to clients that read it in small pieces, with pauses", clients: 4, every: time.Second, exchange: slowReader},
		{name: "limited", about: "clients that send more than they may, and get 200 or 429", clients: limitedClients, every: 10 * time.Millisecond, exchange: limitedClient},
		{name: "upload", about: "256 KiB up and back, with a length", clients: 2, every: 200 * time.Millisecond, exchange: upload},
		{name: "chunked", about: "256 KiB up and back at the same time, in chunks", clients: 2, every: 200 * time.Millisecond, exchange: chunkedBothWays},
		{name: "aborted", about: "clients that go away: in the head, in a body that they send or get, and while they wait", clients: 4, every: 50 * time.Millisecond, exchange: abort},
		{name: "cut", about: "responses that the backend cuts in the middle", clients: 1, every: 100 * time.Millisecond, exchange: cutResponse},
		{name: "upgraded", about: "upgraded connections with some lines each, which either side ends", clients: 20, every: 500 * time.Millisecond, exchange: upgraded},
		{name: "steady", about: "uploads at 2 KiB a second for five minutes", clients: 4, every: time.Second, exchange: steadyUpload, lasting: true},
		{name: "heartbeat", about: "event streams with a heartbeat a minute, for five minutes", clients: 4, every: time.Second, exchange: heartbeats, lasting: true},
		{name: "idle", about: "upgraded connections that are silent for five minutes", clients: 20, every: time.Second, exchange: idleUpgrade, lasting: true},
		{name: "duplex", about: "bodies both ways for five minutes, where each piece awaits the one before it", clients: 4, every: time.Second, exchange: duplex, lasting: true},
		{name: "sender", about: "from another address, uploads of a byte each 25 s, which must be broken off", clients: 50, every: time.Second, exchange: slowSender, lasting: true},
		{name: "sipper", about: "from there, too, readers of 32 bytes each 5 s, which must be cut", clients: 20, every: time.Second, exchange: sipper, lasting: true},
	}
}

// byH2 are those by HTTP/2, without their "h2-".
func byH2() []kind {
	return []kind{
		{name: "small", about: "16 bytes by HTTP/2, as are all of these", clients: 8, every: 25 * time.Millisecond, exchange: small},
		{name: "new", about: "16 bytes, each over a new connection", clients: 1, every: 50 * time.Millisecond, exchange: onNewConnection},
		{name: "large", about: "1 MiB, every byte of it checked", clients: 2, every: 200 * time.Millisecond, exchange: largeAnswer},
		{name: "slow", about: "responses that come in pieces over half a second", clients: 8, every: time.Second, exchange: slowResponse},
		{name: "reader", about: "1 MiB to clients that read it in small pieces, with pauses", clients: 4, every: time.Second, exchange: slowReader},
		{name: "upload", about: "256 KiB up and back, with a length", clients: 2, every: 200 * time.Millisecond, exchange: upload},
		{name: "unsized", about: "256 KiB up and back at the same time, without a length", clients: 2, every: 200 * time.Millisecond, exchange: chunkedBothWays},
		{name: "cancelled", about: "clients that cancel: while they wait, in a body that they send or get", clients: 4, every: 200 * time.Millisecond, exchange: cancel},
		{name: "cut", about: "responses that the backend cuts in the middle", clients: 1, every: 100 * time.Millisecond, exchange: cutResponse},
		{name: "steady", about: "uploads at 2 KiB a second for five minutes", clients: 4, every: time.Second, exchange: steadyUpload, lasting: true},
		{name: "heartbeat", about: "event streams with a heartbeat a minute, for five minutes", clients: 4, every: time.Second, exchange: heartbeats, lasting: true},
		{name: "duplex", about: "bodies both ways for five minutes, where each piece awaits the one before it", clients: 4, every: time.Second, exchange: duplex, lasting: true},
	}
}

// limitedClients is how many clients have a bucket that is too small for them.
const limitedClients = 2

// patience is how long one exchange may take, a slow one included.
const patience = 30 * time.Second

// client is one client of a kind, with connections of its own.
type client struct {
	rng     *rand.Rand
	n       int // of its kind, from 0
	address string
	url     string // where its http client finds the proxy
	http    *http.Client
	// lasts is how long the exchange of a kind that is lasting takes.
	lasts time.Duration
	// These count the responses to limited clients: 200 and 429.
	admitted, limited *atomic.Int64
}

// clientIDs is how many names the other clients have. Each is used rarely enough for its limit.
const clientIDs = 2000

func (c *client) id() string { return fmt.Sprintf("client-%d", c.rng.IntN(clientIDs)) }

// tally is the result of a kind.
type tally struct {
	kind
	exchanges, failures atomic.Int64
	admitted, limited   atomic.Int64

	mu    sync.Mutex
	first error // of the failures
}

// mix is the load: every kind at once.
type mix struct {
	proxied
	lasts   time.Duration
	tallies []*tally
}

// proxied is where clients find the proxy, HOST:PORT: in clear, and by TLS.
type proxied struct{ address, secure string }

// longest is how long lasting exchanges take, if the load lasts long enough.
const longest = 5 * time.Minute

// newMix makes a load of this duration. A lasting exchange takes a third of it at most.
func newMix(to proxied, kinds []kind, d time.Duration) *mix {
	m := &mix{proxied: to, lasts: min(longest, d/3)}
	for _, k := range kinds {
		m.tallies = append(m.tallies, &tally{kind: k})
	}
	return m
}

// run keeps up the load for its duration, and returns once every client has finished its exchange
// and closed its connections.
func (m *mix) run(ctx context.Context, d time.Duration) {
	over, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var clients sync.WaitGroup
	for _, t := range m.tallies {
		shared := multiplexed()
		defer shared.CloseIdleConnections()
		for n := range t.clients {
			clients.Go(func() { m.client(ctx, over, t, n, shared) })
		}
	}
	clients.Wait()
}

// multiplexed is a transport by HTTP/2, whose buffers are no larger than those of sockets.
func multiplexed() *http.Transport {
	transport := &http.Transport{
		DisableCompression: true, Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10, MaxReceiveBufferPerConnection: 1 << 20},
	}
	transport.Protocols.SetHTTP2(true)
	return transport
}

// client repeats the exchange of its kind until over ends.
func (m *mix) client(ctx, over context.Context, t *tally, n int, shared *http.Transport) {
	transport, url := &http.Transport{DisableCompression: true}, "http://"+m.address
	defer transport.CloseIdleConnections()
	if t.h2 {
		transport, url = shared, "https://"+m.secure
	}
	c := &client{
		rng: rand.New(rand.NewPCG(uint64(n), rand.Uint64())), n: n, address: m.address, url: url, lasts: m.lasts,
		http: &http.Client{Transport: transport}, admitted: &t.admitted, limited: &t.limited,
	}
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		select {
		case <-over.Done():
			return
		case <-tick.C:
			if over.Err() != nil {
				return // Both had come, as after an exchange that lasts.
			}
		}
		t.note(t.try(ctx, c))
	}
}

func (t *tally) try(ctx context.Context, c *client) error {
	limit := patience
	if t.lasting {
		limit += c.lasts
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return t.exchange(ctx, c)
}

func (t *tally) note(err error) {
	t.exchanges.Add(1)
	if err == nil {
		return
	}
	t.failures.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		t.first = err
	}
}
