//go:build simulation

package limiter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// The simulation runs the Service itself, over a store and a clock of its own, one step at a time.
// Nothing in it depends on goroutines or on time, so a seed determines all that happens. There is a
// step before and after each call to the store, and in the stepped simulation also before each
// access to a bucket. At every step the dice may crash the process, let time pass, or let somebody
// else come in between: takers, the flusher, the reaper, an operator. sim_oracle_test.go has what
// must hold.
//
// It needs the build tag "simulation", which makes the steps between accesses: see simulation.go in
// package table. simulation_test.go builds it, runs it, and breaks the core to see that it notices.

const (
	simSteps        = 200_000
	simSteppedSteps = 1_000_000
	// simWorldSteps is how many steps one world takes. A simulation is many worlds, one after the
	// other.
	simWorldSteps = 4_000
)

// simEnv sets how many steps the tests take, and the first seed: "STEPS" or "STEPS,SEED".
const simEnv = "EQUALIZER_TEST_SIMULATION"

func TestSimulation(t *testing.T) { simulate(t, simSteps, false) }

func TestSteppedSimulation(t *testing.T) { simulate(t, simSteppedSteps, true) }

// Worlds in which the simulation once found something still end well.
func TestWorldsOfOldFindings(t *testing.T) {
	for _, world := range []struct {
		seed    uint64
		stepped bool
		about   string
	}{
		{2000305, false, "a limit returns after a reload that was to bring it back was discarded"},
		{2001118, true, "a tier's numbers change while an operator's write is on its way"},
		{3003226, false, "a reload cuts a bucket while an operator's write of other numbers is on its way"},
		{3001969, true, "a taker stalls over a reload and the round behind it"},
		{3000439, false, "a planned change never came, and no row was there to be noted"},
		{3001187, false, "the wall clock stepped back between changes that cancel each other"},
		{3002039, true, "the wall clock stepped back before a row, between changes that cancel each other"},
		{3003857, true, "the wall clock stepped back since a limit left"},
		{1001903, true, "the wall clock stepped back while a change was planned"},
		{8001289, true, "a round stalls over a reload for longer than a bucket takes to fill"},
		{9004030, true, "a strict crash takes what an operator's write has filled by newer numbers"},
		{9008345, true, "the wall clock stepped back between a change that was planned and one that came"},
		{20001638, true, "a row has numbers that no note knows, and the wall clock stepped back"},
		{30001166, true, "a strict crash takes an operator's write, and the limit isn't strict any more"},
		{40001702, true, "the wall clock stepped back over a change that was planned and never came"},
		{1003082, true, "a strict start comes while a row's debt is being paid"},
		{4002340, true, "a reload comes between an operator's plan and its write"},
		{1002458, true, "the wall clock stepped back before a row, while a change was planned"},
		{20001988, true, "a tier has more since an operator's write was planned, which its old numbers cut"},
		{70003190, true, "a reload that was to bring a limit back failed, and the wall clock stepped"},
		{3009158, true, "a reload that was to bring a limit back was discarded, and the wall clock stepped"},
		{100017715, true, "a bucket follows one of two reloads while an operator's write is planned"},
	} {
		w := newSimWorld(world.seed)
		w.stepped = world.stepped
		if why := w.run(simWorldSteps); why != "" {
			t.Errorf("%s: seed %d: %s\n%s", world.about, world.seed, why, w.story())
		}
	}
}

func simulate(t *testing.T, usual int, stepped bool) {
	steps, seed := usual, uint64(1)
	if text := os.Getenv(simEnv); text != "" {
		if _, err := fmt.Sscanf(text, "%d,%d", &steps, &seed); err != nil {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("%s=%q: want STEPS or STEPS,SEED", simEnv, text)
			}
			steps = n
		}
	}
	total := map[string]int{}
	for taken := 0; taken < steps; seed++ {
		w := newSimWorld(seed)
		w.stepped = stepped
		if why := w.run(simWorldSteps); why != "" {
			t.Fatalf("simulation: %s\nwith seed %d, after %d steps. Again: %s=1,%d\nthe last of what happened:\n%s",
				why, seed, w.steps, simEnv, seed, w.story())
		}
		taken += w.steps
		for what, n := range w.count {
			total[what] += n
		}
		total["steps"] += w.steps
	}
	t.Logf("%v", total)
	for _, what := range []string{
		"crash", "crash in the middle", "stop", "take", "refused", "flush", "flush that failed",
		"put", "delete", "in doubt", "reap", "grow", "regained", "several", "several refused",
	} {
		if total[what] == 0 && steps >= simSteps {
			t.Errorf("there was no %s", what)
		}
	}
}

// simWorld is the whole simulated world.
type simWorld struct {
	dice  *rand.Rand
	o     Options
	store *simStore
	s     *Service // nil: none is running

	now    int64 // true time, in nanoseconds
	booted int64 // when the process started: its monotonic clock counts from there
	wall   simWall

	clients    []*simClient
	blank      [simLimits]int64 // the arrival time of a client without a bucket
	stack      []*simOp
	late       []*simLate
	limits     [simLimits]simLimit
	prepared   *simPrepared // a reload; nil: none is
	reloads    bool         // there are reloads
	clockSteps bool         // the wall clock steps
	quiet      bool         // no steps: the oracle is looking
	flushing   bool
	reaping    bool
	stopping   bool // takers, operators and the reaper are done
	stepped    bool // there is a step before each access to a bucket

	steps  int
	count  map[string]int
	events []simEvent
}

// simWall is the wall clock's error, and by how much it has stepped ahead in all.
type simWall struct{ skew, ahead int64 }

// stepClock has the wall clock step by at most so much, ahead or back.
func (w *simWorld) stepClock(most time.Duration) {
	d := w.dice.Int64N(int64(2*most)) - int64(most)
	w.wall.skew += d
	w.wall.ahead += max(0, d)
	w.note("the wall clock is off", time.Duration(w.wall.skew))
}

// simOp is an operation under way.
type simOp struct {
	client *simClient
	now    int64   // the clock as it last read it, true time
	wall   simWall // as it was when the wall clock was last read
	admin  bool
	taker  *simTaker // nil: it is none
	cost   int64     // of the taker
	paid   int64     // the tokens that it spent, under the settings that there were then
	uses   []*simUse // of a taker from several limits
	// changes are those of limits until it began: a taker may have seen one as it was then.
	changes   int
	renumbers int // of all limits until it began
	// former is what the admin write's bucket was like, and could become, before reloads since.
	former []simRates
}

// simCrash is the panic that a crash of the process is.
type simCrash struct{}

// simFailure is the panic of an oracle that found something wrong.
type simFailure string

// String is the change as an operator would say it.
func (c Change) String() string {
	text := "{"
	if c.Capacity != nil {
		text += fmt.Sprint("capacity ", *c.Capacity, " refill ", *c.Refill)
	}
	if c.Tier != nil {
		text += "tier " + *c.Tier
	}
	if c.Tokens != nil {
		text += fmt.Sprint(" tokens ", *c.Tokens)
	}
	return text + "}"
}

// simDawn is the wall clock's reading at true time 0.
var simDawn = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func newSimWorld(seed uint64) *simWorld {
	w := &simWorld{dice: rand.New(rand.NewPCG(seed, 5)), count: map[string]int{}}
	w.store = &simStore{
		w: w, rows: map[Key]simRow{},
		spaces: map[uint32]simSpace{}, loaded: map[uint32]simSpace{}, remembered: map[uint32]simSpace{},
	}
	w.o = Options{
		FlushInterval: time.Second,
		StoreTimeout:  time.Hour,
		Clock:         simClock{w},
		Logger:        zerolog.Nop(),
	}
	w.reloads, w.clockSteps = seed%3 > 0, seed%3 != 1
	for i := range simLimits {
		o := LimitOptions{Name: string(rune('a' + i)), Fingerprint: "ip", Settings: w.settings(), MaxBuckets: 1000, Strict: seed>>i%2 == 1}
		if w.reloads {
			o.Tiers = map[string]gcra.Settings{simTier: w.settings()}
		}
		w.o.Limits = append(w.o.Limits, o)
		if w.reloads { // A limit may leave before anything is stored.
			n := Namespace{ID: uint32(i + 1), LimitName: o.Name, Fingerprint: o.Fingerprint, Stopped: longAgo()}
			w.store.spaces[n.ID] = simSpace{n, simWall{}}
		}
		w.clients = append(w.clients, newSimClient("client-a", i, o.Settings))
	}
	w.clients = append(w.clients, newSimClient("client-b", 0, w.o.Limits[0].Settings))
	return w
}

// simLimits is how many limits there are. One client has a bucket under each, and another one under
// the first.
const simLimits = 3

func (w *simWorld) table(c *simClient) *table.Table { return w.limits[c.limit].table }

func (w *simWorld) limit(c *simClient) *LimitOptions { return &w.o.Limits[c.limit] }

func (w *simWorld) settings() gcra.Settings {
	per := []time.Duration{300 * time.Millisecond, time.Second, 7 * time.Second, time.Minute}
	return gcra.Settings{Capacity: w.dice.Int64N(12) + 1, Refill: gcra.Refill{Amount: w.dice.Int64N(3) + 1, Per: per[w.dice.IntN(len(per))]}}
}

// simClock is the process's clock.
type simClock struct{ w *simWorld }

func (c simClock) Monotonic() int64 {
	if n := len(c.w.stack); n > 0 && !c.w.quiet {
		c.w.stack[n-1].now = c.w.now
	}
	return c.w.now - c.w.booted
}

func (c simClock) Wall() time.Time {
	if n := len(c.w.stack); n > 0 && !c.w.quiet {
		c.w.stack[n-1].wall = c.w.wall
	}
	return simDawn.Add(time.Duration(c.w.now + c.w.wall.skew))
}

// run takes steps, and returns what the oracle found.
func (w *simWorld) run(steps int) (why string) {
	defer func() {
		table.Simulate(nil)
		if p := recover(); p != nil {
			failure, ok := p.(simFailure)
			if !ok {
				panic(p)
			}
			why = string(failure)
		}
	}()
	if w.stepped {
		table.Simulate(w)
	}
	for w.start(true); w.steps < steps; {
		w.steps++
		if w.survives(func() { w.anything(); w.waitForLate() }) {
			w.look()
		} else {
			w.note("crash in the middle")
			w.crash()
		}
	}
	return ""
}

// survives reports whether the process survived f.
func (w *simWorld) survives(do func()) (alive bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(simCrash); !ok {
				panic(p)
			}
			w.endLate()
			w.stack, w.prepared, w.flushing, w.reaping = nil, nil, false, false
		}
	}()
	do()
	return true
}

// anything is a random operation from the outside.
func (w *simWorld) anything() {
	switch n := w.dice.IntN(100); {
	case w.s.doubt.Load() != nil && n%10 == 0:
		w.stop()
	case w.reloads && w.clockSteps && n == 90:
		w.stepClock(10 * time.Second)
	case w.reloads && (n > 90 && n < 97 || n%2 == 0 && w.mayHaveLeft()):
		w.reload()
	case n < 42:
		w.takes(w.someone())
	case n < 50:
		w.takeSeveral()
	case n < 64:
		w.wait()
	case n < 76:
		w.flush()
	case n < 82:
		w.reap()
	case n < 90:
		w.administer(w.someone())
	case n < 93:
		w.store.away = !w.store.away
		w.note("the store is away", w.store.away)
	case n < 95:
		w.stepClock(10 * time.Second)
	case n < 96:
		w.stop()
	case n < 98:
		w.crash()
	default:
		w.grow()
	}
}

// someone is a client of a limit that there is, or that is leaving.
func (w *simWorld) someone() *simClient {
	for {
		if c := w.clients[w.dice.IntN(len(w.clients))]; w.limits[c.limit].Limit != nil && !w.limits[c.limit].letting {
			return c
		}
	}
}

// here are the clients that someone returns.
func (w *simWorld) here() (clients []*simClient) {
	for _, c := range w.clients {
		if w.limits[c.limit].Limit != nil {
			clients = append(clients, c)
		}
	}
	return clients
}

func (w *simWorld) wait() {
	longest := []time.Duration{time.Millisecond, time.Second, 10 * time.Second, 5 * time.Minute}
	w.now += w.dice.Int64N(int64(longest[w.dice.IntN(len(longest))]))
}

// step is a moment between two instructions of the process. If slow, time may pass.
func (w *simWorld) step(slow bool) {
	if w.quiet {
		return
	}
	w.steps++
	w.lookAtPending()
	if w.interrupts() {
		return
	}
	switch n := w.dice.IntN(1000); {
	case n < 2, slow && n < 12:
		panic(simCrash{})
	case slow && n < 100:
		w.wait()
	case n < 150:
		w.between()
	}
}

// between runs something else while an operation is under way. There is one flusher and one reaper,
// and nobody waits for the write lock here.
func (w *simWorld) between() {
	if w.s == nil || w.stopping || len(w.stack) > 2 {
		return
	}
	most := 19
	if w.clockSteps && !w.isLoading() {
		most++
	}
	switch n := w.dice.IntN(most); {
	case n == 19:
		w.stepClock(10 * time.Second)
	case n > 15:
		w.reload()
	case n == 15:
		w.renew()
	case n == 14:
		w.takeSeveral()
	case n < 6:
		if c := w.sameOrOther(); !w.waits(c) {
			w.takes(c)
		}
	case n > 11:
		w.goOn()
	case n > 10:
		if c := w.sameOrOther(); !w.waits(c) && !w.limits[c.limit].gone {
			w.takeLate(c)
		}
	case n < 7 && !w.reaping:
		w.reap()
	case n < 9 && !w.flushing && len(w.s.writing) == 0:
		w.flush()
	case n < 10 && len(w.s.writing) == 0:
		w.administer(w.someone())
	case n == 10:
		w.grow()
	}
}

// sameOrOther is the client of the operation under way, or any client.
func (w *simWorld) sameOrOther() *simClient {
	n := w.dice.IntN(3)
	switch {
	case n == 0 && len(w.late) > 0:
		return w.late[0].client
	case n < 2 && len(w.stack) > 0 && w.stack[len(w.stack)-1].client != nil:
		return w.stack[len(w.stack)-1].client
	}
	return w.someone()
}

// changes counts what may change a limit.
func (w *simWorld) changes() int {
	return w.count["prepared"] + w.count["reload"] + w.count["reload that failed"] + w.count["discard"] + w.count["flush"] + w.count["flush that failed"] + w.count["put"] + w.count["delete"]
}

// during runs an operation of the Service.
func (w *simWorld) during(op *simOp, do func()) {
	op.now, op.wall, op.changes, op.renumbers = w.now, w.wall, w.changes(), w.count["renumbered"]
	w.stack = append(w.stack, op)
	do()
	w.stack = w.stack[:len(w.stack)-1]
}

func (w *simWorld) flush() {
	if w.locked(w.here()...) || w.mayLeave() && len(w.late)+len(w.stack) > 0 {
		return
	}
	began, told := make([]simClient, len(w.clients)), make([]int64, len(w.clients))
	for i, c := range w.clients {
		began[i], told[i] = *c, c.told()
	}
	w.s.rounds.batch = 1 + w.dice.IntN(len(w.clients))
	w.during(&simOp{}, func() {
		w.flushing = true
		defer func() { w.flushing = false }()
		if err := w.s.flush(context.Background(), w.o.FlushInterval); err != nil {
			w.note("flush that failed")
			return
		}
		w.note("flush")
		left := w.haveLeft()
		for i, c := range w.clients {
			if w.limits[c.limit].Limit == nil && !left[c.limit] {
				continue
			}
			c.covered = max(c.covered, told[i])
			c.given = max(0, c.given-began[i].given)
			if c.writes == began[i].writes {
				c.late, c.soon = 0, 0
			}
			if row, ok := w.store.rows[c.key()]; ok && !row.wasRead {
				c.taken = 0
			}
			if c.reloads == began[i].reloads {
				c.unnoted = false
			}
		}
	})
}

// reap drops one client's bucket if it can. Each client has a shard of its own.
func (w *simWorld) reap() {
	c := w.sameOrOther()
	t := w.table(c)
	if w.locked(c) {
		return
	}
	w.during(&simOp{client: c}, func() {
		w.reaping = true
		defer func() { w.reaping = false }()
		w.note("reap")
		t.Reap(t.ShardOf(c.id), w.s.clock.Monotonic())
	})
}

// administer makes an operator's write.
func (w *simWorld) administer(c *simClient) {
	if c.pending != nil || w.limits[c.limit].gone || !w.claimable(c) || w.s.doubt.Load() != nil && slices.ContainsFunc(w.here(), w.unclaimable) {
		return // its last one is in doubt, or under way; or it would wait, or have to settle another's that would
	}
	w.during(&simOp{client: c, admin: true}, func() {
		if w.dice.IntN(4) == 0 {
			w.delete(c)
		} else {
			w.put(c)
		}
	})
}

func (w *simWorld) put(c *simClient) {
	ctx, change := context.Background(), Change{}
	if _, ok := w.limit(c).Tiers[simTier]; ok && w.dice.IntN(3) == 0 {
		change.Tier = ptr(simTier)
	} else if w.dice.IntN(2) == 0 {
		s := w.settings()
		change.Capacity, change.Refill = &s.Capacity, &s.Refill
	}
	if w.dice.IntN(2) == 0 {
		tokens := w.dice.Int64N(w.capacityAfter(change, c) + 1)
		change.Tokens = &tokens
	}
	w.begin(c, &simPlan{change: change})
	var err error
	switch w.dice.IntN(3) {
	case 0:
		c.pending.create = true
		_, err = w.s.Create(ctx, w.limit(c).Name, c.id, change)
	case 1:
		_, err = w.s.Put(ctx, w.limit(c).Name, c.id, change)
	case 2:
		_, err = w.s.Patch(ctx, w.limit(c).Name, c.id, change)
	}
	w.note("put", c, change, err)
	w.ended(c, err)
}

// capacityAfter is about what the client has after the change. A change that asks for more tokens
// is refused.
func (w *simWorld) capacityAfter(change Change, c *simClient) int64 {
	switch {
	case change.Tier != nil:
		return w.rateOf(c.limit, *change.Tier).Capacity
	case change.Capacity != nil:
		return *change.Capacity
	}
	return c.is.Capacity
}

func (w *simWorld) delete(c *simClient) {
	w.begin(c, &simPlan{deletes: true})
	_, err := w.s.Delete(context.Background(), w.limit(c).Name, c.id)
	w.note("delete", c, err)
	w.ended(c, err)
}

// crash ends the process at once, and starts another one.
func (w *simWorld) crash() {
	w.note("crash")
	for i := range w.limits {
		l := &w.limits[i]
		l.crashed = l.crashed || l.gone && l.Limit != nil // It had not left.
	}
	w.s, w.prepared = nil, nil
	w.store.settle(w.dice.IntN(2) == 0)
	w.start(false)
}

// stop ends the process in order, if the store lets it.
func (w *simWorld) stop() {
	if w.prepared != nil {
		w.endReload()
	}
	var err error
	w.during(&simOp{}, func() {
		w.stopping = true
		defer func() { w.stopping = false }()
		err = w.s.flushLast(context.Background())
	})
	if err != nil {
		w.note("stop that failed")
		w.crash()
		return
	}
	w.look()
	w.note("stop")
	w.s = nil
	w.start(true)
}

// start starts processes until one doesn't crash.
func (w *simWorld) start(clean bool) {
	w.store.away = false
	for {
		w.wait()
		if w.clockSteps && w.dice.IntN(4) == 0 {
			w.stepClock(time.Minute)
		}
		w.booted = w.now - w.dice.Int64N(int64(time.Hour))
		s := w.boot()
		began := w.now
		var err error
		alive := w.survives(func() { err = s.load(context.Background()) })
		if alive && err == nil {
			w.s = s
			w.note("start", clean, "wall clock off", time.Duration(w.wall.skew))
			w.started(clean, simLoad{began, w.now, w.wall})
			return
		}
		clean = clean && w.store.stoppedInOrder() // it may have noted that it is there
		w.store.settle(w.dice.IntN(2) == 0)
		clean = clean && w.store.stoppedInOrder()
		w.store.away = false
		if err != nil && !errors.Is(err, errSimAway) && !errors.Is(err, ErrInDoubt) {
			w.fail("start: %v", err)
		}
	}
}

// boot makes a Service whose hashes depend on the dice alone. Each client has a shard of its own.
// Otherwise all would wait whenever one does.
func (w *simWorld) boot() *Service {
	w.quiet = true
	defer func() { w.quiet = false }()
	clear(w.store.remembered)
	s, err := newService(w.present(), w.store)
	if err != nil {
		w.fail("%v", err)
	}
	for i := range w.limits {
		l := &w.limits[i]
		l.leave(w, false)
		if !l.gone {
			l.Limit = s.Limit(w.o.Limits[i].Name)
			w.fixKeys(i)
		}
	}
	return s
}

// fixKeys has each client of a limit have a shard of its own.
func (w *simWorld) fixKeys(limit int) {
	for {
		shards, all := map[int]bool{}, 0
		w.limits[limit].table.FixKeys(w.dice.Uint64(), w.dice.Uint64(), w.dice.Uint64())
		for _, c := range w.clients {
			if c.limit == limit {
				shards[w.table(c).ShardOf(c.id)] = true
				all++
			}
		}
		if len(shards) == all {
			return
		}
	}
}

func (w *simWorld) note(what string, of ...any) {
	w.count[what]++
	w.events = append(w.events, simEvent{w.now, what, of})
}

// simEvent is a line of a story. Few stories are printed.
type simEvent struct {
	at   int64
	what string
	of   []any
}

// story is the last events.
func (w *simWorld) story() (text string) {
	for _, e := range w.events[max(0, len(w.events)-80):] {
		text += fmt.Sprintln(append([]any{time.Duration(e.at), e.what}, e.of...)...)
	}
	return text
}

func (w *simWorld) fail(format string, args ...any) {
	panic(simFailure(fmt.Sprintf(format, args...)))
}
