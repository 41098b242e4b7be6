package leasetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

// Book is a lease.Ledger in memory, on the rules of lease.Entry. It is the one that others are
// compared with, and that simulations use.
type Book struct {
	now func() time.Time

	mu         sync.Mutex
	namespaces map[named]uint32
	members    map[int64]*member
	joined     int64 // how many have ever joined
	buckets    map[lease.Key]*bucket
}

// named is what a namespace belongs to.
type named struct{ limit, fingerprint string }

// member is a replica that isn't expelled.
type member struct {
	lease.Member
	life string
	// seq is its last round, and granted what that one granted.
	seq     int64
	granted map[lease.Key]int64
}

// bucket is what is kept of one. Of the entry, Mine and Others are those of the last asker.
type bucket struct {
	managed bool
	tier    string
	lease.Entry
	leases map[int64]int64 // by their holders
}

// NewBook makes an empty one, whose clock is now.
func NewBook(now func() time.Time) *Book {
	return &Book{
		now: now, namespaces: map[named]uint32{}, members: map[int64]*member{}, buckets: map[lease.Key]*bucket{},
	}
}

// enter begins a call. The caller unlocks b.mu if it is nil.
func (b *Book) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	return nil
}

// Enter is lease.Ledger's.
func (b *Book) Enter(ctx context.Context, limit, fingerprint string) (uint32, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	defer b.mu.Unlock()
	of := named{limit, fingerprint}
	if b.namespaces[of] == 0 {
		b.namespaces[of] = uint32(len(b.namespaces) + 1)
	}
	return b.namespaces[of], nil
}

// Join is lease.Ledger's.
func (b *Book) Join(ctx context.Context, as lease.Member, life string, ttl time.Duration) (int64, error) {
	if err := b.enter(ctx); err != nil {
		return 0, err
	}
	defer b.mu.Unlock()
	now := b.now()
	b.expel(now, 0)
	expires := lease.Expires(now, ttl)
	for id, m := range b.members {
		switch {
		case m.Name != as.Name:
		case m.life == life && m.seq == 0:
			m.Expires = expires
			return id, nil
		default:
			return 0, fmt.Errorf("%q on %s, process %d: %w", m.Name, m.Host, m.PID, lease.ErrNameTaken)
		}
	}
	as.Since, as.Expires = now, expires
	b.joined++
	b.members[b.joined] = &member{Member: as, life: life}
	return b.joined, nil
}

// expel is the end of those who have expired, except one.
func (b *Book) expel(now time.Time, except int64) {
	for id, m := range b.members {
		if id != except && now.After(m.Expires) {
			b.bury(id, now)
		}
	}
}

// bury has what a replica holds count as spent from now on.
func (b *Book) bury(id int64, now time.Time) {
	for _, k := range b.buckets {
		if held := k.leases[id]; held > 0 {
			k.Dead += held
			k.DiedAt = now
		}
		delete(k.leases, id)
	}
	delete(b.members, id)
}

// Renew is lease.Ledger's.
func (b *Book) Renew(ctx context.Context, r lease.Round) ([]lease.Reply, int, error) {
	if err := b.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer b.mu.Unlock()
	m := b.members[r.Member]
	switch {
	case m == nil:
		return nil, 0, fmt.Errorf("round %d of replica %d: %w", r.Seq, r.Member, lease.ErrExpelled)
	case r.Seq < m.seq:
		return nil, 0, fmt.Errorf("round %d of replica %d: round %d came before it", r.Seq, r.Member, m.seq)
	}
	now := b.now()
	m.Expires = lease.Expires(now, r.TTL)
	b.expel(now, r.Member)
	//mutant:true a-repeated-round-is-settled-again
	isNew := r.Seq > m.seq
	if isNew {
		m.seq, m.granted = r.Seq, map[lease.Key]int64{}
	}
	replies := make([]lease.Reply, 0, len(r.Asks))
	for _, a := range r.Asks {
		numbers := r.Numbers[a.Namespace]
		k := b.open(a.Key, numbers, r.Member, now)
		if isNew {
			m.granted[a.Key] = k.Renew(now, k.follows(numbers), a)
		} else {
			k.Renumber(now, k.follows(numbers))
		}
		replies = append(replies, lease.Reply{
			Granted: m.granted[a.Key], Left: k.Left(), Owed: k.Owed(a.Ahead),
			Managed: k.managed, Tier: k.tier, Settings: k.Settings,
		})
		b.close(a.Key, k, r.Member)
	}
	return replies, len(b.members), nil
}

// open returns a copy of a bucket, which is full if there is none, as the asker sees it. Asker 0
// holds nothing.
func (b *Book) open(key lease.Key, numbers *lease.Numbers, asker int64, now time.Time) *bucket {
	k := &bucket{Entry: full(numbers.Settings, now), leases: map[int64]int64{}}
	if kept, ok := b.buckets[key]; ok {
		*k = *kept
	}
	k.Mine, k.Others = k.leases[asker], 0
	for id, held := range k.leases {
		if id != asker {
			k.Others += held
		}
	}
	return k
}

// follows are the settings that a bucket is to have.
func (k *bucket) follows(numbers *lease.Numbers) gcra.Settings {
	return numbers.Of(k.managed, k.tier, k.Settings)
}

func full(s gcra.Settings, now time.Time) lease.Entry {
	return lease.Entry{Settings: s, Tokens: float64(s.Capacity), At: now}
}

// close keeps a bucket that open returned, unless it is none.
func (b *Book) close(key lease.Key, k *bucket, asker int64) {
	if k.Mine > 0 {
		k.leases[asker] = k.Mine
	} else {
		delete(k.leases, asker)
	}
	if k.exists() {
		b.buckets[key] = k
	} else {
		delete(b.buckets, key)
	}
}

func (k *bucket) exists() bool { return k.managed || !k.IsFull() }

func (k *bucket) state() lease.State {
	return lease.State{
		Managed: k.managed, Tier: k.tier, Settings: k.Settings, Tokens: k.Tokens, Leased: k.Mine + k.Others, At: k.At,
	}
}

// Leave is lease.Ledger's.
func (b *Book) Leave(ctx context.Context, id int64) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	b.bury(id, b.now())
	return nil
}

// Members is lease.Ledger's.
func (b *Book) Members(ctx context.Context) (all []lease.Member, err error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	now := b.now()
	for _, m := range b.members {
		if !now.After(m.Expires) {
			all = append(all, m.Member)
		}
	}
	slices.SortFunc(all, func(a, b lease.Member) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Get is lease.Ledger's.
func (b *Book) Get(ctx context.Context, key lease.Key, numbers *lease.Numbers) (lease.State, bool, error) {
	if err := b.enter(ctx); err != nil {
		return lease.State{}, false, err
	}
	defer b.mu.Unlock()
	s, ok := b.get(key, numbers)
	return s, ok, nil
}

func (b *Book) get(key lease.Key, numbers *lease.Numbers) (lease.State, bool) {
	now := b.now()
	k := b.open(key, numbers, 0, now)
	k.Renumber(now, k.follows(numbers))
	if !k.exists() {
		return lease.State{}, false
	}
	return k.state(), true
}

// Each is lease.Ledger's.
func (b *Book) Each(
	ctx context.Context, namespace uint32, numbers *lease.Numbers, yield func(string, lease.State) error,
) error {
	all, err := b.states(ctx, namespace, numbers)
	if err != nil {
		return err
	}
	for clientID, s := range all {
		if err := yield(clientID, s); err != nil {
			return err
		}
	}
	return nil
}

// states are the buckets of a namespace, by their client_ids.
func (b *Book) states(ctx context.Context, namespace uint32, numbers *lease.Numbers) (map[string]lease.State, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	all := map[string]lease.State{}
	for key := range b.buckets {
		if key.Namespace != namespace {
			continue
		}
		if s, ok := b.get(key, numbers); ok {
			all[key.ClientID] = s
		}
	}
	return all, nil
}

// Change is lease.Ledger's.
func (b *Book) Change(
	ctx context.Context, key lease.Key, numbers *lease.Numbers, change func(*lease.State) (*lease.State, error),
) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	var present *lease.State
	if s, ok := b.get(key, numbers); ok {
		present = &s
	}
	next, err := change(present)
	if err != nil {
		return err
	}
	now := b.now()
	k := b.open(key, numbers, 0, now)
	k.Renumber(now, k.follows(numbers))
	if next == nil {
		k.managed, k.tier, k.Settings, k.Tokens = false, "", numbers.Settings, float64(numbers.Settings.Capacity)
	} else {
		k.managed, k.tier, k.Tokens = next.Managed, next.Tier, next.Tokens
		k.Settings = numbers.Of(next.Managed, next.Tier, next.Settings)
	}
	k.Earn(now) // cuts Tokens
	b.close(key, k, 0)
	return nil
}

// Tidy is lease.Ledger's.
func (b *Book) Tidy(ctx context.Context, numbers map[uint32]*lease.Numbers) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.mu.Unlock()
	now := b.now()
	b.expel(now, 0)
	for key := range b.buckets {
		n := numbers[key.Namespace]
		if n == nil {
			continue
		}
		k := b.open(key, n, 0, now)
		if k.Renumber(now, k.follows(n)); !k.exists() {
			delete(b.buckets, key)
		}
	}
	return nil
}
