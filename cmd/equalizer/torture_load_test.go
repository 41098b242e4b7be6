package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// clientWorkers each have clients of their own. Every other one of them speaks HTTP/2.
	clientWorkers = 6
	// kept is how many clients of each kind each of them has in all rounds. Every eighth of its
	// requests is from a new client.
	kept = 25
)

// victims are the clients and the operators of a scenario, over all its rounds.
type victims struct {
	rng      *rand.Rand
	scenario scenario
	ledger   *ledger
	workers  []*worker
	idle     *operator   // clients never spend from its buckets
	busy     []*operator // of each limit
	result   *tortureResult
}

// worker is a goroutine's clients.
type worker struct {
	rng  *rand.Rand
	name string
	// byH2 reports whether it speaks HTTP/2.
	byH2  bool
	kept  []string
	fresh int
}

func newVictims(s scenario, rng *rand.Rand, result *tortureResult) *victims {
	v := &victims{rng: rng, scenario: s, ledger: newLedger(), result: result}
	for i := range clientWorkers {
		w := v.newWorker(fmt.Sprintf("worker-%d", i))
		w.byH2 = i%2 == 1
		v.workers = append(v.workers, w)
	}
	v.idle = newOperator("operator-idle", s.limits[0].name, v.seeded(), s.limits[0].strict)
	for _, l := range s.limits {
		v.busy = append(v.busy, newOperator("operator-"+l.name, l.name, v.seeded(), true))
	}
	return v
}

// operators are all of them.
func (v *victims) operators() []*operator { return append(slices.Clone(v.busy), v.idle) }

// seeded is a goroutine's own source of random numbers.
func (v *victims) seeded() *rand.Rand { return rand.New(rand.NewPCG(v.rng.Uint64(), v.rng.Uint64())) }

func (v *victims) newWorker(name string) *worker {
	w := &worker{rng: v.seeded(), name: name}
	for i := range kept {
		for _, k := range v.kinds() {
			w.kept = append(w.kept, w.keep(k, i))
			v.ledger.add(w.keep(k, i), v.accounts(k))
		}
	}
	return w
}

// keep is the name of a client.
func (w *worker) keep(k kind, i int) string { return fmt.Sprintf("%s-%s-%d", w.name, k.name, i) }

// kind is the kind of a client: one with the defaults of all limits, or one to which an operator
// gave settings under a limit once.
type kind struct {
	name     string
	limit    string // "": it has defaults only
	capacity int64
	refill   string
	rate     float64 // the same in tokens a second
}

// kinds are the defaults first, and then both slow and fast buckets under each limit.
func (v *victims) kinds() []kind {
	kinds := []kind{{name: "default"}}
	for _, l := range v.scenario.limits {
		kinds = append(kinds,
			kind{"slow-" + l.name, l.name, 500, never, 0},
			kind{"fast-" + l.name, l.name, 100, "100/s", 100},
		)
	}
	return kinds
}

func (v *victims) accounts(k kind) accounts {
	all := accounts{}
	for _, l := range v.scenario.limits {
		a := newAccount(float64(l.capacity), l.rate, flushInterval, time.Now())
		if k.limit == l.name {
			a = newAccount(float64(k.capacity), k.rate, 0, time.Now()) // managed buckets are always stored
		}
		a.strict = l.strict
		all[l.name] = a
	}
	return all
}

// create gives the managed clients their settings, before the first round.
func (v *victims) create(p *proxied) {
	managed := v.kinds()[1:]
	for _, w := range v.workers {
		for i := range kept * len(managed) {
			k := managed[i%len(managed)]
			a := p.call("PUT", "/buckets/"+w.keep(k, i/len(managed))+"?in="+k.limit, fmt.Sprintf(`{"capacity":%d,"refill":%q}`, k.capacity, k.refill))
			require.Equal(p.t, 201, a.status, a.body)
		}
	}
}

// tormentedLoad is the load of a round until the process is killed.
type tormentedLoad struct {
	*victims
	*proxied
	killing atomic.Bool
	clients sync.WaitGroup
	// shared is the connection of all workers that speak HTTP/2, so that the kill breaks several
	// requests on it.
	shared http.Transport
}

func (v *victims) start(p *proxied) *tormentedLoad {
	l := &tormentedLoad{victims: v, proxied: p}
	l.shared.Protocols = new(http.Protocols)
	l.shared.Protocols.SetUnencryptedHTTP2(true)
	for _, w := range v.workers {
		l.clients.Go(func() { l.spend(w) })
	}
	for _, o := range v.operators() {
		o.t = p.t
		l.clients.Go(func() {
			for !o.write(p.admin) {
			}
			assert.True(p.t, l.killing.Load(), "an admin write got no response")
		})
	}
	l.clients.Go(l.watchFlushes)
	return l
}

// spend sends a worker's requests, over a connection that is kept, until the process is dead.
func (l *tormentedLoad) spend(w *worker) {
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{}}
	if w.byH2 {
		client.Transport = &l.shared
	}
	defer client.CloseIdleConnections()
	for l.request(client, w) {
	}
}

// choose is one of the worker's clients, with its accounts. A client that the operators keep
// changing has none.
func (l *tormentedLoad) choose(w *worker) (clientID string, all accounts) {
	switch n := w.rng.IntN(16); {
	case n == 0:
		o := l.busy[w.rng.IntN(len(l.busy))]
		return o.ids[w.rng.IntN(len(o.ids))], nil
	case n < 3:
		w.fresh++
		clientID = fmt.Sprintf("%s-fresh-%d", w.name, w.fresh)
		all = l.accounts(l.kinds()[0])
		l.ledger.add(clientID, all)
		return clientID, all
	}
	clientID = w.kept[w.rng.IntN(1+w.rng.IntN(len(w.kept)))] // the first ones more than the last
	return clientID, l.ledger.of(clientID)
}

// request sends a request, and notes its outcome.
func (l *tormentedLoad) request(client *http.Client, w *worker) (alive bool) {
	clientID, all := l.choose(w)
	req, err := http.NewRequest("GET", l.proxy+"/", nil)
	if !assert.NoError(l.t, err) {
		return false
	}
	req.Header.Set("X-Client", clientID)
	sent := time.Now()
	resp, err := client.Do(req)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err != nil {
		all.unanswered(time.Now())
		assert.True(l.t, l.killing.Load(), "a request broke: %v", err)
		return false
	}
	assert.Equal(l.t, w.byH2, resp.ProtoMajor == 2)
	return assert.NoError(l.t, l.note(resp.StatusCode, body, all, sent, time.Now()), "client %s", clientID)
}

func (l *tormentedLoad) note(status int, body []byte, all accounts, sent, received time.Time) error {
	switch {
	case status == 200:
		l.result.admitted.Add(1)
		return all.admitted(sent, received)
	case status != 429:
		return fmt.Errorf("got %d; want 200 or 429", status)
	}
	l.result.refused.Add(1)
	var refusal struct {
		By []string `json:"violated-policies"`
	}
	if err := json.Unmarshal(body, &refusal); err != nil {
		return fmt.Errorf("a 429: %w: %s", err, body)
	}
	if all == nil {
		return nil
	}
	return all.refused(refusal.By, sent, received)
}

// watchFlushes finds out what is certainly stored. Once two more flushes than at some moment have
// ended, the second of them began after that moment.
func (l *tormentedLoad) watchFlushes() {
	type moment struct {
		flushes int64
		mark    mark
	}
	var waiting []moment
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for ; ; <-poll.C {
		now := moment{mark: l.ledger.mark()}
		var err error
		if now.flushes, err = flushes(client, l.admin); err != nil {
			assert.True(l.t, l.killing.Load(), "no status: %v", err)
			return
		}
		for len(waiting) > 0 && now.flushes >= waiting[0].flushes+2 {
			waiting[0].mark.store()
			waiting = waiting[1:]
		}
		waiting = append(waiting, now)
	}
}

func flushes(client *http.Client, admin string) (int64, error) {
	var s status
	err := getJSON(client, admin+"/status", &s)
	return s.Store.Flushes, err
}

func getJSON(client *http.Client, url string, into any) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// verify checks all buckets of a process that has just started against what is known about them.
func (v *victims) verify(p *proxied) {
	p.t.Helper()
	sent := time.Now()
	buckets := p.listing()
	received := time.Now()
	for id, all := range v.ledger.clients {
		for limit, a := range all {
			b, there := buckets[place{id, limit}]
			if !there && a.strict {
				continue // it starts empty, or has what it had: the ledger goes on
			}
			if !there {
				b.Tokens = int64(a.capacity)
			}
			regained, bound, err := a.found(finding{float64(b.Tokens), sent, received})
			require.NoError(p.t, err, "client %s, limit %s", id, limit)
			v.result.found(regained, bound)
		}
	}
	for _, o := range v.operators() {
		o.verify(p)
	}
	v.ledger.forget(v.workers)
}

// place names a bucket.
type place struct{ clientID, limit string }

// listing is every bucket that exists.
func (p *proxied) listing() map[place]bucket {
	p.t.Helper()
	all := map[place]bucket{}
	for target := "/buckets?limit=1000"; target != ""; {
		var page []struct {
			bucket
			Limit string `json:"limit"`
		}
		a := p.call("GET", target, "")
		require.Equal(p.t, 200, a.status, a.body)
		require.NoError(p.t, json.Unmarshal([]byte(a.body), &page))
		for _, b := range page {
			all[place{b.ClientID, b.Limit}] = b.bucket
		}
		next, _, _ := strings.Cut(a.header.Get("Link"), ">")
		target = strings.TrimPrefix(next, "<")
	}
	return all
}
