package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/postgres/pgtest"
)

// fleet is some replicas in front of one schema.
type fleet struct {
	t             *testing.T
	args          []string
	onLoss, drain string
	made          int

	mu      sync.Mutex
	members []*replicaProcess
}

// replicaProcess is one of a fleet.
type replicaProcess struct {
	*proxied
	name string
	// kept and fresh count its responses that said that it closes the connection: those to requests
	// on a connection that had others before, and those to the first one on a connection. A replica
	// says so from SIGTERM on.
	kept, fresh atomic.Int64
}

// What the limit of a fleet's clients is, as fleetFile has it.
const fleetCapacity, fleetRate = 100, 50

// fleetFile is the configuration of a fleet. A replica that is silent for a second is expelled.
const fleetFile = `
[limits.default]
key = "header:X-Client"
secret = false
capacity = 100
refill = "50/s"
lease_wait = "1s"
on_store_loss = %q
[store]
shared = true
replica_name = %q
lease_interval = "250ms"
lease_ttl = "1s"
timeout = "2s"
[server]
drain_delay = %q
`

// newFleet starts replicas that share a store, at a URL. onLoss is their on_store_loss, and drain
// their drain_delay.
func newFleet(t *testing.T, store, onLoss, drain string, replicas int) *fleet {
	t.Helper()
	_, flags := startBackends(t, 2)
	f := &fleet{t: t, args: append(flags, "--store", store), onLoss: onLoss, drain: drain}
	for range replicas {
		f.start()
	}
	return f
}

// start starts another replica, which requests go to from then on.
func (f *fleet) start() *replicaProcess {
	f.t.Helper()
	f.made++
	name := fmt.Sprintf("replica-%d", f.made)
	file := writeFile(f.t, fmt.Sprintf(fleetFile, f.onLoss, name, f.drain))
	r := &replicaProcess{proxied: launch(f.t, free(append(slices.Clone(f.args), "-c", file)...)...), name: name}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members = append(f.members, r)
	return r
}

// remove has no request go to a replica any more.
func (f *fleet) remove(r *replicaProcess) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members = slices.DeleteFunc(slices.Clone(f.members), func(m *replicaProcess) bool { return m == r })
}

// at is the replica with an index, which may be too great.
func (f *fleet) at(i int) *replicaProcess {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members[i%len(f.members)]
}

// lists are the names of the replicas that one lists, in their order; none if the store is away.
func (r *replicaProcess) lists() (names []string) {
	is := r.call("GET", "/replicas", "")
	var view struct{ Replicas []struct{ Name string } }
	if is.status != 200 || json.Unmarshal([]byte(is.body), &view) != nil {
		return nil
	}
	for _, m := range view.Replicas {
		names = append(names, m.Name)
	}
	return names
}

// knows reports whether a replica lists one of a name.
func (r *replicaProcess) knows(name string) bool { return slices.Contains(r.lists(), name) }

// fleetLoad sends requests of some clients to a fleet.
type fleetLoad struct {
	fleet   *fleet
	began   time.Time
	ends    chan struct{}
	workers sync.WaitGroup

	// hot is the index of the replica that most of the requests go to.
	hot    atomic.Int64
	broken atomic.Int64 // requests without a response, or with another one than 200 and 429

	mu       sync.Mutex
	admitted map[string][]spell
	sent     int
}

// spell is when a request was sent, and when its response came.
type spell struct{ sent, received time.Duration }

// load has some clients send requests, with so many workers each, one after the other with a pause.
func (f *fleet) load(clients, workers int, pause time.Duration) *fleetLoad {
	l := &fleetLoad{fleet: f, began: time.Now(), ends: make(chan struct{}), admitted: map[string][]spell{}}
	for c := range clients {
		for w := range workers {
			l.workers.Go(func() { l.work(fmt.Sprintf("client-%d", c), uint64(c*workers+w), pause) })
		}
	}
	return l
}

func (l *fleetLoad) work(clientID string, seed uint64, pause time.Duration) {
	rng := rand.New(rand.NewPCG(seed, 1))
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{}} // with its own connections
	defer client.CloseIdleConnections()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-l.ends:
			return
		case <-tick.C:
		}
		i := int(l.hot.Load())
		if rng.IntN(10) >= 7 {
			i = rng.IntN(1 << 20)
		}
		l.request(client, l.fleet.at(i), clientID)
	}
}

// request sends a POST, which the client doesn't send again if a kept connection breaks under it.
func (l *fleetLoad) request(client *http.Client, to *replicaProcess, clientID string) {
	var on *atomic.Int64
	ctx := httptrace.WithClientTrace(l.fleet.t.Context(), &httptrace.ClientTrace{GotConn: func(is httptrace.GotConnInfo) {
		if on = &to.fresh; is.Reused {
			on = &to.kept
		}
	}})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.proxy+"/", nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("X-Client", clientID)
	sent := time.Since(l.began)
	response, err := client.Do(request)
	if err != nil {
		l.broken.Add(1)
		return
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	received := time.Since(l.began)
	if response.Close {
		on.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	switch {
	case response.StatusCode == http.StatusOK:
		l.admitted[clientID] = append(l.admitted[clientID], spell{sent, received})
	case response.StatusCode != http.StatusTooManyRequests || err != nil:
		l.broken.Add(1)
	}
}

// end ends the load. It checks that no client got more than one bucket holds, and extra tokens more
// for each, and logs which part of that it got.
func (l *fleetLoad) end(t *testing.T, extra float64) {
	close(l.ends)
	l.workers.Wait()
	took := time.Since(l.began).Seconds()
	for _, clientID := range slices.Sorted(maps.Keys(l.admitted)) {
		all := l.admitted[clientID]
		over := overAdmitted(all, fleetCapacity, fleetRate)
		assert.LessOrEqual(t, over, extra+grain, "%s got more than one bucket holds", clientID)
		t.Logf("%s: %d of %.0f admitted, share %.3f; over by %.2f at most",
			clientID, len(all), fleetCapacity+fleetRate*took, float64(len(all))/(fleetCapacity+fleetRate*took), over)
	}
	t.Logf("%d requests in %.1f s, %d broken", l.sent, took, l.broken.Load())
}

// overAdmitted is by how much what was certainly admitted within some span of time is more than a
// full bucket and what it earns meanwhile.
func overAdmitted(all []spell, capacity, rate float64) (over float64) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b spell) int { return cmp.Compare(a.sent, b.sent) })
	over = -capacity
	for i := range all {
		within := slices.Clone(all[i:])
		slices.SortFunc(within, func(a, b spell) int { return cmp.Compare(a.received, b.received) })
		for n, s := range within {
			over = max(over, float64(n+1)-capacity-rate*(s.received-all[i].sent).Seconds())
		}
	}
	return over
}

func TestOverAdmitted(t *testing.T) {
	at := func(ms ...int) (all []spell) {
		for _, m := range ms {
			all = append(all, spell{time.Duration(m) * time.Millisecond, time.Duration(m+1) * time.Millisecond})
		}
		return all
	}
	assert.InDelta(t, -1, overAdmitted(at(0), 2, 1), 0.01)
	assert.InDelta(t, 1, overAdmitted(at(0, 1, 2), 2, 1), 0.01)
	assert.InDelta(t, 1, overAdmitted(at(0, 1000, 1001, 1002), 2, 1), 0.01)
	assert.InDelta(t, 0, overAdmitted(at(0, 1, 1000), 2, 1), 0.01)
}

// TestReplicasShareBudgets has three replicas, and as many things happen to them as may: nobody
// gets more than one bucket holds.
func TestReplicasShareBudgets(t *testing.T) {
	server := newCluster(t)
	f := newFleet(t, server.URL("equalizer"), "refuse", "0s", 3)
	l := f.load(2, 6, 10*time.Millisecond)

	killed := f.at(1)
	f.remove(killed)
	killed.kill()
	f.start()
	f.await("the others give the killed one up", func() bool { return !f.at(0).knows(killed.name) })

	l.hot.Store(1)
	stopped := f.at(1)
	stopped.signal(syscall.SIGSTOP)
	f.await("the others give the stopped one up", func() bool { return !f.at(0).knows(stopped.name) })
	stopped.signal(syscall.SIGCONT)
	f.await("it joins again", func() bool { return f.at(0).knows(stopped.name) })

	l.hot.Store(2)
	f.outage(server)
	f.awaitRounds(8)
	l.end(t, 0)
}

func (f *fleet) await(what string, so func() bool) { await(f.t, what, so) }

// awaitRounds waits for more than so many rounds of a replica, which begins some four in a second.
func (f *fleet) awaitRounds(n int64) {
	f.t.Helper()
	before := f.at(0).status().Shared.Rounds
	f.await("some rounds", func() bool { return f.at(0).status().Shared.Rounds > before+n })
}

func (r *replicaProcess) isCutOff() bool { return r.status().Shared.CutOff }

// outage has the server crash, and run again once a replica is cut off.
func (f *fleet) outage(server *pgtest.Cluster) {
	f.t.Helper()
	require.NoError(f.t, server.Crash())
	f.await("a replica is cut off", func() bool { return f.at(0).isCutOff() })
	require.NoError(f.t, server.Run())
	f.await("it is back", func() bool { return !f.at(0).isCutOff() })
}

// TestReplicasAreReplaced is a rolling update under load, through a pooler that gives each
// transaction another connection. Replicas that were told to stop get requests, on kept connections
// and on new ones, until what is in front has noticed. No request fails.
func TestReplicasAreReplaced(t *testing.T) {
	server := newCluster(t)
	f := newFleet(t, server.Pooler(t, "transaction", "equalizer"), "refuse", "1s", 3)
	l := f.load(2, 6, 10*time.Millisecond)
	for range 3 {
		old := f.at(0) // Most of the requests go to it.
		f.start()
		old.signal(syscall.SIGTERM)
		f.removeOnceNotReady(old)
		require.Equal(t, 0, old.wait(), "exit code; its log:\n%s", old.logs.text())
		f.await("it has gone", func() bool { return !f.at(0).knows(old.name) })
		assert.Positive(t, old.kept.Load(), "it got no request on a kept connection while it was stopping")
		assert.Positive(t, old.fresh.Load(), "it got no request on a new connection while it was stopping")
		t.Logf("%s: %d responses on kept connections and %d on new ones while it was stopping", old.name, old.kept.Load(), old.fresh.Load())
	}
	l.end(t, 0)
	assert.Zero(t, l.broken.Load(), "requests failed")
}

// removeOnceNotReady does what a load balancer does that asks /readyz every 100 ms: no request goes
// to a replica any more once two in a row have failed.
func (f *fleet) removeOnceNotReady(r *replicaProcess) {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for failures := 0; failures < 2; {
		<-look.C
		failures++
		if a, err := do("GET", r.admin+"/readyz", ""); err == nil && a.status == 200 {
			failures = 0
		}
	}
	f.remove(r)
}

// TestReplicasAlone has the store away for some seconds. Each replica then admits its share of what
// clients earn.
func TestReplicasAlone(t *testing.T) {
	server := newCluster(t)
	f := newFleet(t, server.URL("equalizer"), "local", "0s", 3)
	l := f.load(2, 6, 10*time.Millisecond)
	f.await("some requests", func() bool { return f.at(0).status().Requests.Total > 50 })
	require.NoError(t, server.Crash())
	away := time.Now()
	for i := range 3 {
		f.await("it is cut off", func() bool { return f.at(i).isCutOff() })
	}
	alone := f.at(0).status().Requests
	f.await("requests that are admitted", func() bool {
		now := f.at(0).status().Requests
		return now.Total-now.Limited > alone.Total-alone.Limited+20
	})
	require.NoError(t, server.Run())
	for i := range 3 {
		f.await("it is back", func() bool { return !f.at(i).isCutOff() })
	}
	l.end(t, fleetRate*time.Since(away).Seconds())
	assert.Zero(t, l.broken.Load(), "requests failed")
}
