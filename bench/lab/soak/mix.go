//go:build linux

package main

import (
	"context"
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
}

// kinds is the mix of some 900 exchanges a second. They test the program by time, not by load.
func kinds() []kind {
	return []kind{
		{"small", "16 bytes, over connections that are kept", 8, 20 * time.Millisecond, small, false},
		{"new", "16 bytes, each over a new connection", 2, 20 * time.Millisecond, onNewConnection, false},
		{"large", "1 MiB, every byte of it checked", 2, 200 * time.Millisecond, largeAnswer, false},
		{"slow", "responses that come in pieces over half a second", 8, time.Second, slowResponse, false},
		{"reader", "1 MiB to clients that read it in small pieces, with pauses", 4, time.Second, slowReader, false},
		{"limited", "clients that send more than they may, and get 200 or 429", limitedClients, 10 * time.Millisecond, limitedClient, false},
		{"upload", "256 KiB up and back, with a length", 2, 200 * time.Millisecond, upload, false},
		{"chunked", "256 KiB up and back at the same time, in chunks", 2, 200 * time.Millisecond, chunkedBothWays, false},
		{"aborted", "clients that go away: in the head, in a body that they send or get, and while they wait", 4, 50 * time.Millisecond, abort, false},
		{"cut", "responses that the backend cuts in the middle", 1, 100 * time.Millisecond, cutResponse, false},
		{"upgraded", "upgraded connections with some lines each, which either side ends", 20, 500 * time.Millisecond, upgraded, false},
		{"steady", "uploads at 2 KiB a second for five minutes", 4, time.Second, steadyUpload, true},
		{"heartbeat", "event streams with a heartbeat a minute, for five minutes", 4, time.Second, heartbeats, true},
		{"idle", "upgraded connections that are silent for five minutes", 20, time.Second, idleUpgrade, true},
		{"duplex", "bodies both ways for five minutes, where each piece awaits the one before it", 4, time.Second, duplex, true},
		{"sender", "from another address, uploads of a byte each 25 s, which must be broken off", 50, time.Second, slowSender, true},
		{"sipper", "from there, too, readers of 32 bytes each 5 s, which must be cut", 20, time.Second, sipper, true},
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
	address string
	lasts   time.Duration
	tallies []*tally
}

// longest is how long lasting exchanges take, if the load lasts long enough.
const longest = 5 * time.Minute

// newMix makes a load of this duration. A lasting exchange takes a third of it at most.
func newMix(address string, kinds []kind, d time.Duration) *mix {
	m := &mix{address: address, lasts: min(longest, d/3)}
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
		for n := range t.clients {
			clients.Go(func() { m.client(ctx, over, t, n) })
		}
	}
	clients.Wait()
}

// client repeats the exchange of its kind until over ends.
func (m *mix) client(ctx, over context.Context, t *tally, n int) {
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	c := &client{
		rng: rand.New(rand.NewPCG(uint64(n), rand.Uint64())), n: n, address: m.address, lasts: m.lasts,
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
