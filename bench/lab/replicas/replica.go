//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store/memory"
	"gopher-equalizer/store/postgres"
)

// fleetSize is how many replicas there are.
const fleetSize = 3

// replica is one of those that share the buckets, in this process.
type replica struct {
	*limiter.Service
	limit  *limiter.Limit
	lease  *lease.Replica
	ledger *postgres.Ledger
	book   *book
	run    sync.WaitGroup
	end    context.CancelFunc
}

// fleet are the replicas.
type fleet []*replica

// join has replicas join. Takers wait for the ledger for so long at most.
func (b *bed) join(ctx context.Context, interval, wait time.Duration) (f fleet, err error) {
	for i := range fleetSize {
		r, err := b.joinOne(ctx, leaseOptions(fmt.Sprintf("replica-%d", i), interval), wait)
		if err != nil {
			return nil, errors.Join(err, f.leave(ctx))
		}
		f = append(f, r)
	}
	return f, nil
}

func (b *bed) joinOne(ctx context.Context, o lease.Options, wait time.Duration) (*replica, error) {
	ledger, err := b.ledger(ctx)
	if err != nil {
		return nil, err
	}
	r := &replica{ledger: ledger, book: &book{Ledger: ledger, rounds: map[int64]*round{}}, end: func() {}}
	r.lease = lease.New(o, r.book)
	r.book.done = func() int64 { return r.lease.Stats().Rounds }
	if r.Service, err = limiter.Open(ctx, limiterOptions(r.lease, wait), memory.New()); err != nil {
		return nil, errors.Join(err, ledger.Close())
	}
	r.limit = r.Limit(limitName)
	return r, nil
}

// begin has the replicas' rounds begin, each some time after the one before it.
func (f fleet) begin(ctx context.Context, apart time.Duration) {
	for i, r := range f {
		var running context.Context
		running, r.end = context.WithCancel(ctx)
		r.run.Go(func() {
			if sleep(running, time.Duration(i)*apart) == nil {
				r.Run(running)
			}
		})
	}
}

// leave gives back what the replicas hold, and ends their connections.
func (f fleet) leave(ctx context.Context) error {
	return f.each(func(r *replica) error {
		r.end()
		r.run.Wait()
		return errors.Join(r.Close(ctx), r.ledger.Close())
	})
}

// each calls do for all replicas at once.
func (f fleet) each(do func(r *replica) error) error {
	var all sync.WaitGroup
	errs := make([]error, len(f))
	for i, r := range f {
		all.Go(func() { errs[i] = do(r) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// stats are those of all replicas together.
func (f fleet) stats() (sum lease.Stats) {
	for _, r := range f {
		s := r.lease.Stats()
		sum.Rounds += s.Rounds
		sum.FailedRounds += s.FailedRounds
		sum.LateRounds += s.LateRounds
		sum.Leases += s.Leases
		sum.Waits += s.Waits
		sum.WaitsInVain += s.WaitsInVain
	}
	return sum
}

// renewals are how many buckets the replicas have renewed so far.
func (f fleet) renewals() (n int64) {
	for _, r := range f {
		n += r.book.count()
	}
	return n
}

// failure is why a replica's last round failed, if it did.
func (f fleet) failure() error {
	for _, r := range f {
		if why := r.lease.Failure(); why != "" {
			return errors.New(why)
		}
	}
	return nil
}

// forget forgets what was noted of rounds so far.
func (f fleet) forget() {
	for _, r := range f {
		r.book.forget()
	}
}

// rounds are how long those rounds took that renewed so many buckets at least.
func (f fleet) rounds(asks int) (took []time.Duration) {
	for _, r := range f {
		took = append(took, r.book.took(asks)...)
	}
	return took
}

// book is a ledger that notes what its replica asks.
type book struct {
	lease.Ledger
	done func() int64 // how many rounds the replica has done

	mu       sync.Mutex
	renewals int64
	rounds   map[int64]*round // by how many were done before them
}

// round is one of the replica's, of several transactions.
type round struct {
	began, ended time.Time
	asks         int
}

// Renew is lease.Ledger's.
func (b *book) Renew(ctx context.Context, r lease.Round) ([]lease.Reply, int, error) {
	began, of := time.Now(), b.done()
	replies, alive, err := b.Ledger.Renew(ctx, r)
	if err == nil {
		b.note(of, began, len(r.Asks))
	}
	return replies, alive, err
}

func (b *book) note(of int64, began time.Time, asks int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.rounds[of]
	if one == nil {
		one = &round{began: began}
		b.rounds[of] = one
	}
	one.ended = time.Now()
	one.asks += asks
	b.renewals += int64(asks)
}

func (b *book) count() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.renewals
}

func (b *book) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.rounds)
}

func (b *book) took(asks int) (took []time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.rounds {
		if one.asks >= asks {
			took = append(took, one.ended.Sub(one.began))
		}
	}
	return took
}
