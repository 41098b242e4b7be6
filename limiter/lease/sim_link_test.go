package lease_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"gopher-equalizer/limiter/lease"
)

// simContext is that of all calls. Deadlines are the link's.
var simContext = context.Background()

// simLink is the ledger as a replica reaches it. It suspends the round for as long as messages
// take, and loses some.
type simLink struct{ *simReplica }

// errSimDead ends a round of a replica that is dead.
var errSimDead = errors.New("dead")

// wait suspends the round.
func (k *simLink) wait(d time.Duration) error {
	if k.dead || !k.yield(d) {
		k.dead = true
		return errSimDead
	}
	return nil
}

// lag is how long a message takes.
func (k *simLink) lag() time.Duration {
	w := k.w
	if !w.faulty {
		return w.delay
	}
	if w.flip(0.03) {
		return w.timeout * time.Duration(w.between(0, 90)) / 100
	}
	return w.about(w.delay)
}

func (k *simLink) isAway() bool { return k.w.now < max(k.w.awayUntil, k.partedUntil) }

// call has f have its effect in the ledger, once, later, or not at all, while the replica waits for
// the reply. again is what a copy of the request does that arrives once more.
func (k *simLink) call(f func() error, again func()) error {
	w := k.w
	if w.faulty && w.flip(0.01) {
		w.count["lost request"]++
		if again != nil && w.flip(0.5) {
			w.count["late request"]++
			w.after(w.about(2*w.timeout), again)
		}
		return k.inDoubt(w.timeout)
	}
	if err := k.wait(k.lag()); err != nil {
		return err
	}
	if k.isAway() {
		if w.flip(0.5) {
			return errSimAway
		}
		return k.inDoubt(w.timeout)
	}
	err := f()
	if w.faulty && again != nil && w.flip(0.02) {
		w.count["duplicate"]++
		w.after(w.about(w.timeout), again)
	}
	if w.faulty && w.flip(0.02) {
		w.count["lost reply"]++
		return k.inDoubt(w.timeout)
	}
	if err := k.wait(k.lag()); err != nil {
		return err
	}
	if k.isAway() {
		return k.inDoubt(0)
	}
	return err
}

func (k *simLink) inDoubt(after time.Duration) error {
	if err := k.wait(after); err != nil {
		return err
	}
	return fmt.Errorf("no reply: %w", lease.ErrInDoubt)
}

func (k *simLink) Enter(ctx context.Context, limit, fingerprint string) (namespace uint32, err error) {
	err = k.call(func() (err error) {
		namespace, err = k.w.book.Enter(ctx, limit, fingerprint)
		return err
	}, nil)
	return namespace, err
}

func (k *simLink) Join(_ context.Context, as lease.Member, life string, ttl time.Duration) (member int64, err error) {
	w := k.w
	err = k.call(func() (err error) {
		member, err = w.join(as, life, ttl)
		if errors.Is(err, lease.ErrNameTaken) {
			w.count["name that was taken"]++
			if w.registered[as.Name].life == life {
				w.fail("%s is kept out by its own registration", as.Name)
			}
		}
		return err
	}, func() { _, _ = w.join(as, life, ttl) })
	if err == nil {
		k.replies++
		w.note("%s has joined", k.name)
	}
	return member, err
}

// join has the book register a replica.
func (w *simWorld) join(as lease.Member, life string, ttl time.Duration) (member int64, err error) {
	member, err = w.book.Join(simContext, as, life, ttl)
	w.note("%s joins: %d, %v", as.Name, member, err)
	if err != nil {
		return 0, err
	}
	is := simRegistration{life, member}
	if w.registered[as.Name] == is {
		w.count["registration that was found again"]++
	}
	w.registered[as.Name] = is
	return member, nil
}

func (k *simLink) Renew(ctx context.Context, r lease.Round) (replies []lease.Reply, alive int, err error) {
	err = k.call(func() (err error) {
		replies, alive, err = k.w.renew(k.name, r)
		return err
	}, func() { _, _, _ = k.w.renew(k.name+", late", r) })
	switch {
	case err == nil:
		k.replies++
		k.alive = int64(alive)
	case errors.Is(err, lease.ErrExpelled):
		k.w.count["expulsion"]++
	}
	return replies, alive, err
}

func (k *simLink) Leave(ctx context.Context, member int64) error {
	return k.call(func() error { return k.w.book.Leave(ctx, member) }, nil)
}

func (k *simLink) Members(ctx context.Context) (all []lease.Member, err error) {
	return k.w.book.Members(ctx)
}

func (k *simLink) Get(ctx context.Context, key lease.Key, n *lease.Numbers) (lease.State, bool, error) {
	return k.w.book.Get(ctx, key, n)
}

func (k *simLink) Each(
	ctx context.Context, namespace uint32, n *lease.Numbers, yield func(string, lease.State) error,
) error {
	return k.w.book.Each(ctx, namespace, n, yield)
}

func (k *simLink) Change(
	ctx context.Context, key lease.Key, n *lease.Numbers, change func(*lease.State) (*lease.State, error),
) error {
	return k.w.book.Change(ctx, key, n, change)
}

// renew has the book settle a round.
func (w *simWorld) renew(who string, r lease.Round) ([]lease.Reply, int, error) {
	for i, a := range r.Asks[min(1, len(r.Asks)):] {
		if compareKeys(r.Asks[i].Key, a.Key) >= 0 {
			w.fail("%s: round %d of %d: %+v comes after %+v", who, r.Seq, r.Member, a, r.Asks[i])
		}
	}
	replies, alive, err := w.settle(r)
	if err != nil {
		w.note("%s: round %d of %d: %v", who, r.Seq, r.Member, err)
		return nil, 0, err
	}
	for i, a := range r.Asks {
		w.note("%s: round %d of %d: %+v: %+v", who, r.Seq, r.Member, a, replies[i])
		w.client(a.Key).settled(r.Numbers[a.Namespace])
	}
	return replies, alive, nil
}

// settle is the book's Renew, unless there is a bucket that can't be read.
func (w *simWorld) settle(r lease.Round) ([]lease.Reply, int, error) {
	bad := &lease.UnreadableError{Err: errSimSpoiled}
	for _, a := range r.Asks {
		if w.client(a.Key).spoiledUntil > w.now {
			bad.Keys = append(bad.Keys, a.Key)
		}
	}
	if len(bad.Keys) > 0 {
		w.count["unreadable"]++
		return nil, 0, bad
	}
	return w.book.Renew(simContext, r)
}

// errSimSpoiled is what is wrong with a bucket that can't be read.
var errSimSpoiled = errors.New("spoiled")

func compareKeys(a, b lease.Key) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.ClientID, b.ClientID))
}

func (w *simWorld) client(key lease.Key) *simClient {
	for _, c := range w.clients {
		if c.key == key {
			return c
		}
	}
	w.fail("nobody is %+v", key)
	return nil
}

func (k *simLink) Tidy(ctx context.Context, numbers map[uint32]*lease.Numbers) error {
	return k.w.book.Tidy(ctx, numbers)
}

// tidy has a replica tidy the book.
func (w *simWorld) tidy(r *simReplica) {
	w.count["tidying"]++
	numbers := map[uint32]*lease.Numbers{}
	for _, l := range r.limits {
		numbers[l.of.namespace] = &l.Options().Numbers
	}
	if err := w.book.Tidy(simContext, numbers); err != nil {
		w.fail("tidy: %v", err)
	}
	for _, c := range w.clients {
		c.vanish(numbers[c.key.Namespace])
	}
}
