package leasetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

// The search tries everything that two replicas and an operator can do to one small bucket in so
// many steps. It is on the rules of lease.Entry and on Book. Beside the book there is an ideal
// bucket, which everything that is spent is taken from. It must never have less than what the
// replicas can spend at that moment.
//
// An operator who lowers a capacity below what replicas hold leaves that with them. So the ideal
// bucket may then lack the difference, once: what it lacks may only get less until the next time.

const (
	// searchSteps is how deep the search goes. searchEnv sets another depth.
	searchSteps = 6
	searchEnv   = "EQUALIZER_TEST_SEARCH"
	// searchCapacity is that of the bucket if no operator has changed it, in tokens.
	searchCapacity = 2
	// half is in what a token's half is earned, and a little more, as the rules round down.
	half = 500*time.Millisecond + time.Microsecond
	// lives is for how many halves a replica may spend after a round.
	lives = 2
	// longAgo is so many halves that nothing depends on how many more they are.
	longAgo = 12
)

func TestSearch(t *testing.T) { search(t, 0) }

// With tokens that are granted before they are earned, the ideal bucket may lack as many.
func TestSearchAhead(t *testing.T) { search(t, 1) }

// found is a state that was reached, by an action from another one.
type found struct {
	at    situation
	by    uint8
	after int32
}

// explorer has all states that were reached.
type explorer struct {
	all  []found
	seen map[situation]struct{}
}

func (e *explorer) story(to int32) (text string) {
	if f := e.all[to]; f.after >= 0 {
		text = e.story(f.after) + actions[f.by].name + "\n"
	}
	return text + fmt.Sprintf("    %+v\n", e.all[to].at)
}

func search(t *testing.T, ahead int8) {
	steps := searchSteps
	if text := os.Getenv(searchEnv); text != "" {
		var err error
		steps, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	alive := standing{isMember: true, expires: lives, joined: true, until: -1}
	start := situation{level: 2 * searchCapacity, capacity: searchCapacity, ahead: ahead, replicas: [2]standing{alive, alive}}
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	e := &explorer{[]found{{start, 0, -1}}, map[situation]struct{}{start: {}}}
	did := make([]int, len(actions))
	from := 0
	for step := range steps {
		to := len(e.all)
		for i := from; i < to; i++ {
			if why := e.expand(int32(i), did); why != "" {
				t.Fatalf("search: %s, in %d steps:\n%s", why, step+1, e.story(int32(len(e.all)-1)))
			}
		}
		from = to
		t.Logf("%d states in %d steps", len(e.all), step+1)
	}
	for i, a := range actions {
		require.NotZero(t, did[i], a.name)
	}
}

// expand does all that can be done in a state, until something is wrong, which it returns.
func (e *explorer) expand(from int32, did []int) string {
	var w *world
	for by, a := range actions {
		if w == nil {
			w = e.all[from].at.world()
		}
		if !a.do(w) {
			continue
		}
		did[by]++
		s := w.situation()
		why := w.judge(&s)
		w = nil
		key := s.key()
		if _, ok := e.seen[key]; ok && why == "" {
			continue
		}
		e.seen[key] = struct{}{}
		e.all = append(e.all, found{s, uint8(by), from})
		if why != "" {
			return why
		}
	}
	return ""
}

// situation is all that determines what can come. Times are in halves from now, and credits are in
// halves of a token.
type situation struct {
	ahead                  int8 // how many tokens are granted before they are earned
	capacity, level, floor int8 // of the ideal bucket
	exists, managed        bool
	tokens, age            int8
	dead, died             int8
	replicas               [2]standing
}

// standing is a replica as the book has it, and as it is.
type standing struct {
	isMember               bool
	expires, leased, grant int8

	joined      bool
	held, until int8
	pending     pending
	ask         [3]int8 // held, back, want
	asked       int8
}

// pending is what became of a round that has no reply.
type pending uint8

const (
	none pending = iota
	requestLost
	replyLost
)

// key is the same for situations that differ in nothing that matters: the order of the replicas,
// how long one that has nothing may spend it, and when tokens were counted last if no lease has
// died since.
func (s situation) key() situation {
	leased := s.dead
	for i := range s.replicas {
		r := &s.replicas[i]
		leased += r.leased
		if r.held == 0 {
			r.until = -1
		}
	}
	if s.exists && s.dead == 0 {
		s.tokens, s.age = min(s.tokens+s.age, 2*(s.capacity-leased)), 0
		if s.exists = s.managed || leased > 0 || s.tokens < 2*s.capacity; !s.exists {
			s.tokens = 0
		}
	}
	if s.replicas[0].packed() > s.replicas[1].packed() {
		s.replicas[0], s.replicas[1] = s.replicas[1], s.replicas[0]
	}
	return s
}

// packed is another number for each standing.
func (r *standing) packed() (n uint64) {
	for _, v := range [...]int8{
		r.expires, r.leased, r.grant, r.held, r.until, int8(r.pending), r.ask[0], r.ask[1], r.ask[2], r.asked,
	} {
		n = n<<5 | uint64(v+2)
	}
	if r.isMember {
		n |= 1 << 51
	}
	if r.joined {
		n |= 1 << 52
	}
	return n
}

// world is a situation in which something can be done.
type world struct {
	book     *Book
	now      time.Time
	ideal    situation // only the ideal bucket of it
	replicas [2]client
}

// client is a replica as it is.
type client struct {
	standing
	member, seq int64
}

var (
	searchDawn    = time.Date(2026, 11, 30, 7, 0, 0, 0, time.UTC)
	searchKey     = lease.Key{Namespace: 1, ClientID: "a"}
	searchNumbers = &lease.Numbers{Settings: searchSettings(searchCapacity)}
)

func searchSettings(capacity int8) gcra.Settings {
	return gcra.Settings{Capacity: int64(capacity), Refill: gcra.Refill{Amount: 1, Per: time.Second}}
}

func halves(n int8) time.Duration { return time.Duration(n) * half }

// world is one in this situation.
func (s *situation) world() *world {
	w := &world{now: searchDawn, ideal: *s}
	w.book = NewBook(func() time.Time { return w.now })
	k := &bucket{managed: s.managed, leases: map[int64]int64{}, Entry: lease.Entry{
		Settings: searchSettings(s.capacity), Tokens: float64(s.tokens) / 2, At: w.now.Add(-halves(s.age)),
		Dead: int64(s.dead), DiedAt: w.now.Add(-halves(s.died)),
	}}
	for i, r := range s.replicas {
		c := client{standing: r, member: int64(i + 1), seq: 1}
		if r.pending != none {
			c.seq++
		}
		if r.isMember {
			m := &member{seq: c.seq, granted: map[lease.Key]int64{searchKey: int64(r.grant)}}
			if r.pending == requestLost {
				m.seq--
			}
			m.Name, m.Expires = fmt.Sprint(i), w.now.Add(halves(r.expires)+half/16)
			w.book.members[c.member] = m
			if r.leased > 0 {
				k.leases[c.member] = int64(r.leased)
			}
		}
		w.replicas[i] = c
	}
	w.book.joined = int64(len(s.replicas))
	if s.exists {
		w.book.buckets[searchKey] = k
	}
	return w
}

// situation is that of the world.
func (w *world) situation() situation {
	s := situation{ahead: w.ideal.ahead, capacity: w.ideal.capacity, level: w.ideal.level, floor: w.ideal.floor}
	k, exists := w.book.buckets[searchKey]
	if exists {
		s.exists, s.managed = true, k.managed
		s.tokens, s.age = int8(floorHalves(k.Tokens)), w.since(k.At)
		if k.Dead > 0 {
			s.dead, s.died = int8(k.Dead), w.since(k.DiedAt)
		}
	}
	for i, c := range w.replicas {
		r := c.standing
		m, isMember := w.book.members[c.member]
		r.isMember, r.expires, r.leased, r.grant = isMember, 0, 0, 0
		if isMember {
			r.expires = max(-1, int8((m.Expires.Sub(w.now)+8*half)/half)-8)
			if r.pending == replyLost {
				r.grant = int8(m.granted[searchKey])
			}
			if exists {
				r.leased = int8(k.leases[c.member])
			}
		}
		s.replicas[i] = r
	}
	return s
}

func floorHalves(tokens float64) int { return int(2*tokens+64) - 64 }

func (w *world) since(t time.Time) int8 { return int8(min(longAgo, w.now.Sub(t)/half)) }

// judge returns what is wrong; "" if nothing is.
func (w *world) judge(s *situation) string {
	var leased, canSpend int8
	for _, r := range s.replicas {
		leased += r.leased
		if r.until >= 0 {
			canSpend += r.held
		}
	}
	s.floor = max(s.floor, min(0, s.level-2*leased))
	if s.level-2*canSpend < s.floor-2*s.ahead {
		return fmt.Sprintf("replicas can spend %d tokens, and there are %v, where %v may lack", canSpend, float64(s.level)/2, -float64(s.floor)/2)
	}
	return ""
}

// action does something. It reports whether it can be done, and changes nothing otherwise.
type action struct {
	name string
	do   func(w *world) bool
}

var actions = allActions()

func allActions() []action {
	all := []action{
		{"half an interval", func(w *world) bool { return w.pass(1) }},
		{"an interval", func(w *world) bool { return w.pass(2) }},
		{"the bucket is deleted", (*world).remove},
	}
	for capacity := range int8(searchCapacity) {
		all = append(all, action{fmt.Sprint("capacity ", capacity+1), func(w *world) bool { return w.resize(capacity + 1) }})
	}
	for i := range 2 {
		f := func(name string, do func(w *world, c *client) bool) {
			all = append(all, action{fmt.Sprint(name, " ", i), func(w *world) bool { return do(w, &w.replicas[i]) }})
		}
		f("join", (*world).join)
		f("spend", (*world).spend)
		f("crash", (*world).crash)
		f("leave", (*world).leave)
		f("repeat", (*world).repeat)
		f("late reply", (*world).lateReply)
		f("duplicate", (*world).duplicate)
		for becomes, name := range []string{"", ", request lost", ", reply lost"} {
			f("tell what was spent"+name, func(w *world, c *client) bool {
				return w.ask(c, [3]int8{c.held, 0, c.held}, pending(becomes))
			})
			for n := int8(1); n <= searchCapacity; n++ {
				f(fmt.Sprint("want ", n, name), func(w *world, c *client) bool {
					return n > c.held && w.ask(c, [3]int8{c.held, 0, n}, pending(becomes))
				})
				f(fmt.Sprint("give back ", n, name), func(w *world, c *client) bool {
					left := c.held - n
					return left >= 0 && w.ask(c, [3]int8{left, n, left}, pending(becomes))
				})
			}
		}
	}
	return all
}

func (w *world) pass(n int8) bool {
	w.now = w.now.Add(halves(n))
	w.ideal.level = min(2*w.ideal.capacity, w.ideal.level+n)
	for i := range w.replicas {
		c := &w.replicas[i]
		c.until = max(-1, c.until-n)
		if c.pending == replyLost {
			c.asked = min(longAgo, c.asked+n)
		}
	}
	return true
}

func (w *world) spend(c *client) bool {
	if c.held == 0 || c.until < 0 {
		return false
	}
	c.held--
	w.ideal.level -= 2
	return true
}

func (w *world) join(c *client) bool {
	if c.joined {
		return false
	}
	name := fmt.Sprint(c.member - 1)
	member, err := w.book.Join(context.Background(), lease.Member{Name: name}, "another", lives*half)
	if errors.Is(err, lease.ErrNameTaken) {
		return true
	}
	c.standing, c.member, c.seq = standing{joined: true, until: lives}, member, 0
	return true
}

func (w *world) crash(c *client) bool {
	was := c.joined
	c.standing = standing{}
	return was
}

func (w *world) leave(c *client) bool {
	return c.joined && w.book.Leave(context.Background(), c.member) == nil && w.crash(c)
}

// ask begins a round.
func (w *world) ask(c *client, ask [3]int8, becomes pending) bool {
	if !c.joined || c.pending != none {
		return false
	}
	c.held, c.ask, c.pending = ask[0], ask, requestLost
	c.seq++
	if becomes == requestLost {
		return true
	}
	granted, err := w.renew(c)
	if err != nil {
		return w.expelled(c, err)
	}
	c.pending = replyLost
	if becomes == none {
		w.receive(c, granted)
	}
	return true
}

// renew sends the pending round.
func (w *world) renew(c *client) (granted int8, err error) {
	replies, _, err := w.book.Renew(context.Background(), lease.Round{
		Member: c.member, Seq: c.seq, TTL: lives * half, Numbers: map[uint32]*lease.Numbers{1: searchNumbers},
		Asks: []lease.Ask{{Key: searchKey, Held: int64(c.ask[0]), Back: int64(c.ask[1]), Want: int64(c.ask[2]), Ahead: halves(2 * w.ideal.ahead)}},
	})
	if err != nil {
		return 0, err
	}
	c.asked = 0
	return int8(replies[0].Granted), nil
}

func (w *world) receive(c *client, granted int8) {
	c.held += granted
	c.until = lives - c.asked
	c.ask, c.asked, c.pending = [3]int8{}, 0, none
}

// expelled is the end of a replica that was told so.
func (w *world) expelled(c *client, err error) bool {
	if !errors.Is(err, lease.ErrExpelled) {
		panic(err)
	}
	return w.crash(c)
}

func (w *world) repeat(c *client) bool {
	if c.pending == none {
		return false
	}
	granted, err := w.renew(c)
	if err != nil {
		return w.expelled(c, err)
	}
	w.receive(c, granted)
	return true
}

// lateReply has the first reply come after all.
func (w *world) lateReply(c *client) bool {
	m := w.book.members[c.member]
	if c.pending != replyLost || m == nil || c.asked == 0 || c.asked > lives {
		return false
	}
	w.receive(c, int8(m.granted[searchKey]))
	return true
}

// duplicate has the ledger get a round that was lost, or get it twice, and nobody hears of it.
func (w *world) duplicate(c *client) bool {
	if c.pending == none {
		return false
	}
	asked, was := c.asked, c.pending
	if _, err := w.renew(c); err != nil {
		return true
	}
	if was == replyLost {
		c.asked = asked
	}
	c.pending = replyLost
	return true
}

// resize is an operator who gives the bucket another capacity.
func (w *world) resize(capacity int8) bool {
	return w.change(func(present *lease.State) *lease.State {
		if present == nil {
			present = &lease.State{Tokens: searchCapacity}
		}
		present.Managed, present.Settings = true, searchSettings(capacity)
		w.ideal.capacity, w.ideal.level = capacity, min(w.ideal.level, 2*capacity)
		return present
	})
}

// remove is an operator who deletes the bucket, after which there is a new one, which is full.
func (w *world) remove() bool {
	return w.change(func(*lease.State) *lease.State {
		w.ideal.capacity, w.ideal.level = searchCapacity, 2*searchCapacity
		return nil
	})
}

// change has the ideal bucket lack what replicas hold beyond its capacity from now on.
func (w *world) change(next func(present *lease.State) *lease.State) bool {
	err := w.book.Change(context.Background(), searchKey, searchNumbers, func(present *lease.State) (*lease.State, error) {
		var leased int8
		if present != nil {
			leased = int8(present.Leased)
		}
		n := next(present)
		w.ideal.floor = min(w.ideal.floor, w.ideal.level-2*leased)
		return n, nil
	})
	return err == nil
}
