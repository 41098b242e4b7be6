package lease_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/lease/leasetest"
)

// The simulation runs Replicas in front of a Book, over clocks and a link of its own, one event at
// a time. A round is a coroutine, which the link suspends. So nothing depends on the order in which
// goroutines run or on time, and a seed determines all that happens.
//
// The oracle (sim_oracle_test.go) has an ideal bucket for each client, from which everything is
// taken that is admitted.

const (
	// simEvents is how many events there are in all, and simWorldEvents in a world. mutant_test.go
	// has more of them come, without the race detector.
	simEvents      = 40_000
	simWorldEvents = 20_000
	// simMany are enough for all of simWants to happen.
	simMany = 1_000_000
)

// simEnv sets how many events there are, and the first world's seed: "EVENTS,SEED".
const simEnv = "EQUALIZER_TEST_LEASES"

// simFailure is what the oracle panics with.
type simFailure string

func TestSimulation(t *testing.T) {
	events, seed := simEvents, uint64(1)
	if text := os.Getenv(simEnv); text != "" {
		if _, err := fmt.Sscanf(text, "%d,%d", &events, &seed); err != nil {
			t.Fatalf("%s=%q: want EVENTS,SEED", simEnv, text)
		}
	}
	total, isMany := map[string]int{}, events >= simMany
	for ; events > 0; seed++ {
		w := newSimWorld(seed)
		n, why := w.run(min(events, simWorldEvents))
		if why != "" {
			t.Fatalf("simulation: %s\n%s%s\nAgain: %s=%d,%d", why, w.story(), w.describe(), simEnv, simWorldEvents, seed)
		}
		for what, n := range w.count {
			total[what] += n
		}
		events -= n
	}
	t.Log(total)
	for _, what := range simWants {
		if total[what] == 0 && isMany {
			t.Errorf("there was no %s", what)
		}
	}
}

// simWants are what must happen in all worlds together.
var simWants = []string{
	"admitted", "refused", "admitted on its own", "admitted after a wait", "waited in vain", "away",
	"round", "round that failed", "early round", "expulsion", "name that was taken", "registration that was found again",
	"lost request", "lost reply", "duplicate", "late request", "partition", "outage",
	"crash", "stop", "start", "pause", "reload", "limit that left", "limit that came back", "limit that came anew", "unreadable",
	"put", "put with tokens", "put with a tier", "delete",
	"lowering below what is held", "cut off", "full by the smaller numbers",
}

// simWorld is everything there is. Its time is that of the ledger.
type simWorld struct {
	dice   *rand.Rand
	now    int64
	book   *leasetest.Book
	queue  simQueue
	events int // that have come

	replicas []*simReplica
	limits   []*simLimit
	clients  []*simClient
	names    int // of replicas
	// registered has the last registration of each name.
	registered map[string]simRegistration

	interval, ttl, timeout time.Duration
	delay                  time.Duration // of most messages
	load                   float64       // requests, as a part of a refill
	slowest                int64         // refill, in milliseconds a token
	faulty                 bool
	awayUntil              int64 // the ledger

	count map[string]int
	log   []string
}

// simLimit is a limit as it is configured.
type simLimit struct {
	lease.LimitOptions
	namespace uint32
}

// simRegistration is one in the book.
type simRegistration struct {
	life   string
	member int64
}

// simEvent is something that comes at a time.
type simEvent struct {
	at    int64
	order int
	do    func()
}

type simQueue struct {
	all   []simEvent
	order int
}

func (q *simQueue) Len() int      { return len(q.all) }
func (q *simQueue) Swap(i, j int) { q.all[i], q.all[j] = q.all[j], q.all[i] }
func (q *simQueue) Push(e any)    { q.all = append(q.all, e.(simEvent)) }

func (q *simQueue) Less(i, j int) bool {
	a, b := &q.all[i], &q.all[j]
	return a.at < b.at || a.at == b.at && a.order < b.order
}

func (q *simQueue) Pop() any {
	last := len(q.all) - 1
	e := q.all[last]
	q.all = q.all[:last]
	return e
}

// after has something come in a while.
func (w *simWorld) after(d time.Duration, do func()) {
	w.queue.order++
	heap.Push(&w.queue, simEvent{w.now + int64(d), w.queue.order, do})
}

func (w *simWorld) flip(chance float64) bool { return w.dice.Float64() < chance }

// between is any number from one to another.
func (w *simWorld) between(least, most int64) int64 { return least + w.dice.Int64N(most-least+1) }

// about is a duration that is rarely much longer than mean.
func (w *simWorld) about(mean time.Duration) time.Duration {
	return time.Duration(w.dice.ExpFloat64() * float64(mean))
}

func (w *simWorld) note(format string, of ...any) {
	w.log = append(w.log, fmt.Sprintf("%v ", time.Duration(w.now))+fmt.Sprintf(format, of...))
	if len(w.log) > 400 {
		w.log = append([]string{}, w.log[200:]...)
	}
}

func (w *simWorld) story() (text string) {
	for _, line := range w.log[max(0, len(w.log)-390):] {
		text += line + "\n"
	}
	return text
}

func (w *simWorld) describe() string {
	text := fmt.Sprintf("interval %v, TTL %v, timeout %v, delay %v\n", w.interval, w.ttl, w.timeout, w.delay)
	for _, l := range w.limits {
		text += fmt.Sprintf("limit %+v\n", l.LimitOptions)
	}
	return text
}

func (w *simWorld) fail(format string, of ...any) { panic(simFailure(fmt.Sprintf(format, of...))) }

var simDawn = time.Date(2026, 11, 30, 7, 0, 0, 0, time.UTC)

func newSimWorld(seed uint64) *simWorld {
	w := &simWorld{dice: rand.New(rand.NewPCG(seed, 21)), count: map[string]int{}, registered: map[string]simRegistration{}, faulty: true}
	w.book = leasetest.NewBook(func() time.Time { return simDawn.Add(time.Duration(w.now)) })
	w.interval = time.Duration(w.between(50, 1000)) * time.Millisecond
	w.ttl = w.interval * time.Duration(w.between(3, 8))
	w.timeout = time.Duration(w.between(int64(w.interval)/4, 2*int64(w.interval)))
	w.delay = time.Duration(w.between(1, 20)) * time.Millisecond
	w.slowest = []int64{20, 300, w.ttl.Milliseconds()}[w.dice.IntN(3)]
	leasings := []lease.Leasing{lease.Ahead, lease.Ahead, lease.Trickle, lease.Each}
	for i := range w.between(1, 2) {
		l := &simLimit{LimitOptions: lease.LimitOptions{
			Name: fmt.Sprint("limit-", i), Fingerprint: "ip", MaxBuckets: 1000,
			Leasing: leasings[w.dice.IntN(len(leasings))],
			Wait:    time.Duration(w.between(1, 300)) * time.Millisecond,
			OnLoss:  []lease.OnLoss{lease.Local, lease.Refuse}[w.dice.IntN(2)],
			Numbers: w.numbers(),
		}}
		w.addLimit(l, int(w.between(1, 3)))
	}
	for range w.between(2, 5) {
		w.start()
	}
	w.load = []float64{0.1, 1, 4}[w.dice.IntN(3)]
	w.after(0, w.traffic)
	w.after(w.about(w.ttl), w.bursts)
	w.after(w.about(time.Second), w.trouble)
	w.after(w.about(time.Second), w.operate)
	return w
}

func (w *simWorld) addLimit(l *simLimit, clients int) {
	var err error
	if l.namespace, err = w.book.Enter(simContext, l.Name, l.Fingerprint); err != nil {
		w.fail("%v", err)
	}
	w.limits = append(w.limits, l)
	for i := range clients {
		c := &simClient{w: w, limit: len(w.limits) - 1, id: fmt.Sprint("client-", i)}
		c.key = lease.Key{Namespace: l.namespace, ClientID: c.id}
		w.clients = append(w.clients, c)
		c.begin(l.Settings)
	}
}

// numbers are any that fit to the world's interval.
func (w *simWorld) numbers() lease.Numbers {
	n := lease.Numbers{Settings: w.settings()}
	if w.flip(0.7) {
		n.Tiers = map[string]gcra.Settings{"gold": w.settings()}
	}
	return n
}

func (w *simWorld) settings() gcra.Settings {
	per := time.Duration(w.between(1, w.slowest)) * time.Millisecond
	amount := int64(1)
	if w.flip(0.3) {
		amount = w.between(1, 6)
		per *= time.Duration(amount)
	}
	return gcra.Settings{Capacity: w.between(1, 40), Refill: gcra.Refill{Amount: amount, Per: per}}
}

// run has events come, and returns how many did, and what the oracle found.
func (w *simWorld) run(events int) (n int, why string) {
	defer func() {
		switch failure := recover().(type) {
		case nil:
		case simFailure:
			n, why = w.events, string(failure)
		default:
			panic(failure)
		}
		for _, r := range w.replicas {
			r.abandon()
		}
	}()
	for ; w.events < events; w.events++ {
		w.next()
	}
	return w.events, ""
}

func (w *simWorld) next() {
	e := heap.Pop(&w.queue).(simEvent)
	w.now = e.at
	e.do()
}
