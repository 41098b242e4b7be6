package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	limitCapacity = 60
	// clientWorkers each have clients of their own.
	clientWorkers = 6
	// kept is how many clients of each kind each of them has in all rounds. Every eighth of its
	// requests is from a new client.
	kept = 25
)

// victims are the clients and the operators of a scenario, over all its rounds.
type victims struct {
	rng       *rand.Rand
	scenario  scenario
	ledger    *ledger
	workers   []*worker
	operators []*operator
	result    *tortureResult
}

// worker is a goroutine's clients.
type worker struct {
	rng   *rand.Rand
	name  string
	kept  []string
	fresh int
}

func newVictims(s scenario, rng *rand.Rand, result *tortureResult) *victims {
	v := &victims{rng: rng, scenario: s, ledger: &ledger{accounts: map[string]*account{}}, result: result}
	for i := range clientWorkers {
		v.workers = append(v.workers, v.newWorker(fmt.Sprintf("worker-%d", i)))
	}
	for i, spent := range []bool{false, true} {
		v.operators = append(v.operators, newOperator(fmt.Sprintf("operator-%d", i), v.seeded(), spent || s.strict))
	}
	return v
}

// seeded is a goroutine's own source of random numbers.
func (v *victims) seeded() *rand.Rand { return rand.New(rand.NewPCG(v.rng.Uint64(), v.rng.Uint64())) }

func (v *victims) newWorker(name string) *worker {
	w := &worker{rng: v.seeded(), name: name}
	for i := range kept {
		for _, k := range v.kinds() {
			w.kept = append(w.kept, w.keep(k, i))
			v.ledger.add(w.keep(k, i), v.account(k))
		}
	}
	return w
}

// keep is the name of a client.
func (w *worker) keep(k kind, i int) string { return fmt.Sprintf("%s-%s-%d", w.name, k.name, i) }

// kind is the kind of a client's bucket: with the limit's defaults, or with settings that an
// operator gave it once.
type kind struct {
	name     string
	capacity int64
	refill   string
	rate     float64 // the same in tokens a second
	managed  bool
}

func (v *victims) kinds() []kind {
	return []kind{
		{"default", limitCapacity, v.scenario.refill, v.scenario.rate, false},
		{"slow", 500, never, 0, true},
		{"fast", 100, "100/s", 100, true},
	}
}

func (v *victims) account(k kind) *account {
	slack := flushInterval
	if k.managed {
		slack = 0 // managed buckets are always stored
	}
	a := newAccount(float64(k.capacity), k.rate, slack, time.Now())
	a.strict = v.scenario.strict
	return a
}

// create gives the managed clients their settings, before the first round.
func (v *victims) create(p *proxied) {
	managed := slices.DeleteFunc(v.kinds(), func(k kind) bool { return !k.managed })
	for _, w := range v.workers {
		for i := range kept * len(managed) {
			k := managed[i%len(managed)]
			a := p.call("PUT", "/buckets/"+w.keep(k, i/len(managed)), fmt.Sprintf(`{"capacity":%d,"refill":%q}`, k.capacity, k.refill))
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
}

func (v *victims) start(p *proxied) *tormentedLoad {
	l := &tormentedLoad{victims: v, proxied: p}
	for _, w := range v.workers {
		l.clients.Go(func() { l.spend(w) })
	}
	for _, o := range v.operators {
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
	defer client.CloseIdleConnections()
	for l.request(client, w) {
	}
}

// choose is one of the worker's clients, with its account. A client that the operators keep
// changing has none.
func (l *tormentedLoad) choose(w *worker) (clientID string, a *account) {
	switch n := w.rng.IntN(16); {
	case n == 0:
		o := l.operators[1]
		return o.ids[w.rng.IntN(len(o.ids))], nil
	case n < 3:
		w.fresh++
		clientID = fmt.Sprintf("%s-fresh-%d", w.name, w.fresh)
		a = l.account(l.kinds()[0])
		l.ledger.add(clientID, a)
		return clientID, a
	}
	clientID = w.kept[w.rng.IntN(1+w.rng.IntN(len(w.kept)))] // the first ones more than the last
	return clientID, l.ledger.account(clientID)
}

// request sends a request, and notes its outcome.
func (l *tormentedLoad) request(client *http.Client, w *worker) (alive bool) {
	clientID, a := l.choose(w)
	req, err := http.NewRequest("GET", l.proxy+"/", nil)
	if !assert.NoError(l.t, err) {
		return false
	}
	req.Header.Set("X-Client", clientID)
	sent := time.Now()
	resp, err := client.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err != nil {
		if a != nil {
			a.unanswered(time.Now())
		}
		assert.True(l.t, l.killing.Load(), "a request broke: %v", err)
		return false
	}
	return assert.NoError(l.t, l.note(resp.StatusCode, a, sent, time.Now()), "client %s", clientID)
}

func (l *tormentedLoad) note(status int, a *account, sent, received time.Time) error {
	switch {
	case status != 200 && status != 429:
		return fmt.Errorf("got %d; want 200 or 429", status)
	case status == 200:
		l.result.admitted.Add(1)
	default:
		l.result.refused.Add(1)
	}
	switch {
	case a == nil:
		return nil
	case status == 200:
		return a.admitted(sent, received)
	}
	return a.refused(sent, received)
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
	for id, a := range v.ledger.accounts {
		b, there := buckets[id]
		if !there && v.scenario.strict {
			continue // it starts empty, or has what it had: the ledger goes on
		}
		if !there {
			b.Tokens = int64(a.capacity)
		}
		regained, bound, err := a.found(finding{float64(b.Tokens), sent, received})
		require.NoError(p.t, err, "client %s", id)
		v.result.found(regained, bound)
	}
	for _, o := range v.operators {
		o.verify(p)
	}
	v.ledger.forget(v.workers)
}

// listing is every bucket that exists.
func (p *proxied) listing() map[string]bucket {
	p.t.Helper()
	all := map[string]bucket{}
	for after := ""; ; {
		var page []bucket
		a := p.call("GET", "/buckets?limit=1000"+after, "")
		require.Equal(p.t, 200, a.status, a.body)
		require.NoError(p.t, json.Unmarshal([]byte(a.body), &page))
		for _, b := range page {
			all[b.ClientID] = b
		}
		if len(page) < 1000 {
			return all
		}
		after = "&after=" + url.QueryEscape(page[len(page)-1].ClientID)
	}
}
