package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"gopher-equalizer/limiter/table"
)

// Replica is this process among those that share buckets. Its rounds ask the ledger for tokens, and
// takers spend them from memory.
type Replica struct {
	o      Options
	ledger Ledger
	life   string // tells this process from all others that ever have its name

	// until is the moment after which nothing that is held may be spent; 0 before there is one.
	until atomic.Int64
	// unheard is when the first round began that the ledger hasn't replied to; 0 if there is none.
	unheard atomic.Int64
	// alive is how many replicas there were at the last round.
	alive  atomic.Int64
	limits atomic.Pointer[[]*Limit]
	wake   chan struct{} // has a round begin for those who wait
	counts counts

	changing sync.Mutex // held while limits are replaced
	turn     sync.Mutex // held during a round
	rounds   rounds     // under turn
	// unreadable bounds how often it is logged that there are unreadable buckets.
	unreadable rate.Sometimes
}

// New makes a replica that hasn't joined yet.
func New(o Options, l Ledger) *Replica {
	if o.Aside == nil {
		o.Aside = func(round func()) { round() }
	}
	r := &Replica{
		o: o, ledger: l, life: rand.Text(), wake: make(chan struct{}, 1), unreadable: rate.Sometimes{Interval: tellPause},
	}
	r.alive.Store(1)
	r.limits.Store(&[]*Limit{})
	return r
}

// Ledger is that of the replica.
func (r *Replica) Ledger() Ledger { return r.ledger }

// Members are the replicas that are alive, in the order of their names.
func (r *Replica) Members(ctx context.Context) ([]Member, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	return r.ledger.Members(ctx)
}

// maySpend reports whether the replica may spend what it holds.
func (r *Replica) maySpend(now int64) bool {
	//mutant:true a-silent-replica-spends
	return now <= r.until.Load()
}

// IsCutOff reports whether the replica may not spend what it holds, since it couldn't reach the
// ledger for too long.
func (r *Replica) IsCutOff() bool { return !r.maySpend(r.o.Clock.Monotonic()) }

// Limit is the limit of that name and fingerprint, which takers can use at once. It takes part in
// rounds from Use on.
//
// There is one at a time: a limit that is still leaving is taken up again, by Use, with what it
// holds. It has its former options until Change. A second one would ask for the same buckets.
func (r *Replica) Limit(o LimitOptions) *Limit {
	//mutant:false a-limit-that-comes-back-is-a-second-one
	if l := r.find(&o); l != nil {
		return l
	}
	l := &Limit{replica: r, leases: map[string]*lease{}}
	l.o.Store(&o)
	l.held.Store(newHeld(&o))
	return l
}

// find is the limit of that name and fingerprint that there is; nil if there is none.
func (r *Replica) find(o *LimitOptions) *Limit {
	for _, l := range *r.limits.Load() {
		if has := l.o.Load(); has.Name == o.Name && has.Fingerprint == o.Fingerprint {
			return l
		}
	}
	return nil
}

// Use makes these the limits that there are. Others give back what they hold, and go then.
func (r *Replica) Use(limits []*Limit) {
	r.changing.Lock()
	defer r.changing.Unlock()
	all := append([]*Limit{}, limits...)
	for _, l := range limits {
		l.leaving.Store(false)
	}
	for _, l := range *r.limits.Load() {
		if !slices.Contains(limits, l) {
			l.leaving.Store(true)
			all = append(all, l)
		}
	}
	r.limits.Store(&all)
}

// forget lets go of limits that are leaving and hold nothing.
func (r *Replica) forget() {
	r.changing.Lock()
	defer r.changing.Unlock()
	var stay []*Limit
	for _, l := range *r.limits.Load() {
		if !l.leaving.Load() || len(l.leases) > 0 || l.held.Load().Stats().Dirty > 0 {
			stay = append(stay, l)
		}
	}
	r.limits.Store(&stay)
}

// Join registers the replica, and finds the namespaces of its limits. Run does both itself if they
// fail here.
func (r *Replica) Join(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if err := r.join(ctx); err != nil {
		return err
	}
	return r.enter(ctx)
}

func (r *Replica) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	asked := r.o.Clock.Monotonic()
	member, err := r.ledger.Join(ctx, r.o.As, r.life, r.o.TTL)
	if err != nil {
		return fmt.Errorf("join the replicas as %q: %w", r.o.As.Name, err)
	}
	r.rounds = rounds{member: member}
	for _, l := range *r.limits.Load() {
		//mutant:drop an-expelled-replica-spends-what-it-held
		l.letGo()
	}
	r.reached(asked)
	return nil
}

// reached notes that the ledger has heard of the replica since asked.
func (r *Replica) reached(asked int64) {
	now := r.o.Clock.Monotonic()
	//mutant:now a-lease-lasts-from-after-the-ask
	r.until.Store(asked + int64(r.o.TTL))
	r.unheard.Store(0)
	for _, l := range *r.limits.Load() {
		l.alone.Store(nil)
	}
	if r.counts.cutOff.Swap(false) {
		r.o.Logger.Info().Dur("replied_in", time.Duration(now-asked)).Msg("the shared buckets are there again")
	}
}

// Run settles rounds until ctx ends.
func (r *Replica) Run(ctx context.Context) {
	var tidying sync.WaitGroup
	tidying.Go(func() { r.tidy(ctx) })
	r.run(ctx)
	tidying.Wait()
}

// tidyPause is the time between two calls of Ledger.Tidy, by all replicas together. A call looks at
// every bucket.
const tidyPause = 5 * time.Minute

// tidy has the ledger forget what says nothing any more.
func (r *Replica) tidy(ctx context.Context) {
	for {
		pause := tidyPause * time.Duration(r.alive.Load())
		timer := time.NewTimer(pause/2 + mathrand.N(pause)) // Replicas that start together call apart.
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		numbers := map[uint32]*Numbers{}
		for _, l := range *r.limits.Load() {
			if namespace := l.Namespace(); namespace != 0 {
				numbers[namespace] = &l.o.Load().Numbers
			}
		}
		calling, cancel := context.WithTimeout(ctx, tidyPause)
		if err := r.ledger.Tidy(calling, numbers); err != nil && ctx.Err() == nil {
			r.o.Logger.Warn().Err(err).Msg("what says nothing any more stays in the store for now")
		}
		cancel()
	}
}

func (r *Replica) run(ctx context.Context) {
	next := r.o.Clock.Monotonic()
	timer := time.NewTimer(0)
	defer timer.Stop()
	failures := 0
	for {
		early := false
		wake := r.wake
		if failures > 0 {
			wake = nil // A ledger that is away isn't asked more often.
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
			early = true
		case <-timer.C:
		}
		if err := r.roundAside(ctx, early); err != nil {
			failures++
			timer.Reset(r.backoff(failures))
			continue
		}
		now := r.o.Clock.Monotonic()
		if !early {
			if late := now - next; late > int64(r.o.Interval) {
				r.counts.late.Add(1)
			}
			next = max(next+int64(r.o.Interval), now)
		}
		failures = 0
		timer.Reset(time.Duration(next - now))
	}
}

// roundAside is Round, aside unless it is early: then it settles few clients.
func (r *Replica) roundAside(ctx context.Context, early bool) (err error) {
	if early {
		return r.Round(ctx, early)
	}
	r.o.Aside(func() { err = r.Round(ctx, early) })
	return err
}

// backoff is the pause after some failures: a tenth of an interval, doubled up to the interval, or
// two seconds.
func (r *Replica) backoff(failures int) time.Duration {
	return min(r.o.Interval/10<<min(failures-1, 8), max(r.o.Interval, 2*time.Second))
}

// Round settles what the replica holds with the ledger. Early leaves out those for whom it can
// wait. It joins first if the replica hasn't, or was expelled.
func (r *Replica) Round(ctx context.Context, early bool) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	err := r.round(ctx, early)
	if errors.Is(err, ErrExpelled) {
		r.expelled("and it joins again")
		err = r.round(ctx, early)
	}
	r.note(err)
	return err
}

// expelled forgets who the replica was, and says so, with what it does now.
func (r *Replica) expelled(now string) {
	r.counts.expulsions.Add(1)
	r.o.Logger.Warn().Msg("the other replicas have given this one up, as it was silent for too long: " +
		"what it held counts as spent, " + now)
	r.rounds = rounds{}
}

func (r *Replica) round(ctx context.Context, early bool) error {
	r.unheard.CompareAndSwap(0, max(1, r.o.Clock.Monotonic()))
	if r.rounds.member == 0 {
		if err := r.join(ctx); err != nil {
			return err
		}
	}
	if err := r.enter(ctx); err != nil {
		return err
	}
	if err := r.settlePending(ctx); err != nil {
		return err
	}
	return r.settleAll(ctx, early)
}

// enter finds the namespaces of limits that have none yet.
func (r *Replica) enter(ctx context.Context) error {
	for _, l := range *r.limits.Load() {
		if l.namespace.Load() != 0 {
			continue
		}
		o := l.o.Load()
		calling, cancel := context.WithTimeout(ctx, r.o.Timeout)
		namespace, err := r.ledger.Enter(calling, o.Name, o.Fingerprint)
		cancel()
		if err != nil {
			return fmt.Errorf("limit %q: %w", o.Name, err)
		}
		l.namespace.Store(namespace)
	}
	return nil
}

// note counts a round, and logs when the replica is cut off.
func (r *Replica) note(err error) {
	if err == nil {
		r.counts.rounds.Add(1)
		r.counts.failure.Store(nil)
		return
	}
	r.counts.failed.Add(1)
	text := err.Error()
	r.counts.failure.Store(&text)
	if r.IsCutOff() && !r.counts.cutOff.Swap(true) {
		r.o.Logger.Error().Err(err).Msg("cut off from the shared buckets: each limit does as its on_store_loss says")
	}
}

// Close gives back what the replica holds, and leaves. Takers must be done, and Run must have
// returned. It is no error if the others have expelled the replica.
func (r *Replica) Close(ctx context.Context) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if r.rounds.member == 0 {
		return nil
	}
	for _, l := range *r.limits.Load() {
		l.leaving.Store(true)
	}
	err := r.leave(ctx)
	if errors.Is(err, ErrExpelled) {
		r.expelled("and it stops")
		return nil
	}
	return err
}

func (r *Replica) leave(ctx context.Context) error {
	if err := r.settlePending(ctx); err != nil {
		return err
	}
	if err := r.settleAll(ctx, false); err != nil {
		return err
	}
	r.until.Store(0)
	calling, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	return r.ledger.Leave(calling, r.rounds.member)
}

// frozen is the clock of tables that hold what was granted: they earn nothing.
type frozen struct{}

func (frozen) Monotonic() int64 { return 0 }

// newHeld is a table in which every client holds nothing.
func newHeld(o *LimitOptions) *table.Table {
	t := table.New(table.Options{Defaults: o.Settings, Tiers: o.Tiers, MaxBuckets: o.MaxBuckets})
	t.StartEmpty(t.Defaults().Span)
	return t
}
