package limiter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

// Operators' writes of shared buckets go to the ledger, which orders them. This replica asks for
// what it has of a changed bucket at once, and the others do so with their next round.

// sharedSnapshot is a bucket of the ledger as operators see it: with what replicas hold of it, as
// far as the ledger knows.
func (l *Limit) sharedSnapshot(clientID string, s *lease.State) Snapshot {
	tokens := max(0, min(int64(math.Floor(s.Tokens))+s.Leased, s.Settings.Capacity))
	return Snapshot{
		ClientID: clientID, Limit: l.Name(), Settings: s.Settings, Tier: s.Tier, TierGone: l.isGone(s.Tier),
		Managed: s.Managed, Tokens: tokens, LastRefill: s.At,
	}
}

// inLedger is the limit's part of the ledger, and the numbers that its buckets follow.
func (l *Limit) inLedger() (ledger lease.Ledger, namespace uint32, numbers *lease.Numbers, err error) {
	o := l.service.options()
	if namespace = l.lease.Namespace(); namespace == 0 {
		err = fmt.Errorf("%w: the shared buckets have not been reached yet", ErrStore)
	}
	return o.Replica.Ledger(), namespace, &l.lease.Options().Numbers, err
}

// ofLedger gives an error of the ledger the errors that operators get.
func ofLedger(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, lease.ErrInDoubt):
		return fmt.Errorf("%w: %w", ErrInDoubt, err)
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

func (s *Service) getShared(l *Limit, clientID string) (Snapshot, error) {
	ledger, namespace, numbers, err := l.inLedger()
	if err != nil {
		return Snapshot{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options().StoreTimeout)
	defer cancel()
	state, ok, err := ledger.Get(ctx, lease.Key{Namespace: namespace, ClientID: clientID}, numbers)
	switch {
	case err != nil:
		return Snapshot{}, ofLedger(err)
	case !ok:
		return Snapshot{}, ErrNotFound
	}
	return l.sharedSnapshot(clientID, &state), nil
}

// errOfChange tells an error of a change from one of the ledger.
type errOfChange struct{ error }

func (e errOfChange) Unwrap() error { return e.error }

// changeShared changes a bucket of a shared limit. change gets the bucket as operators see it, too.
func (s *Service) changeShared(
	ctx context.Context, l *Limit, clientID string, change func(present *lease.State, seen *Snapshot) (*lease.State, error),
) error {
	ledger, namespace, numbers, err := l.inLedger()
	if err != nil {
		return err
	}
	key := lease.Key{Namespace: namespace, ClientID: clientID}
	err = ledger.Change(ctx, key, numbers, func(present *lease.State) (*lease.State, error) {
		var seen *Snapshot
		if present != nil {
			snapshot := l.sharedSnapshot(clientID, present)
			seen = &snapshot
		}
		to, err := change(present, seen)
		if err != nil {
			return nil, errOfChange{err}
		}
		return to, nil
	})
	var refused errOfChange
	if errors.As(err, &refused) {
		return refused.error
	}
	if err == nil || errors.Is(err, lease.ErrInDoubt) {
		l.lease.Touch(clientID)
	}
	return ofLedger(err)
}

// putShared is put for a limit that is shared.
func (s *Service) putShared(
	ctx context.Context, l *Limit, clientID string, planFor func(l *Limit, present *standing) (plan, error), only []Condition,
) (w Written, err error) {
	err = s.changeShared(ctx, l, clientID, func(present *lease.State, seen *Snapshot) (*lease.State, error) {
		var stands *standing
		if present != nil {
			stands = &standing{rate: gcra.NewRate(present.Settings).In(present.Tier), managed: present.Managed}
		}
		p, err := planFor(l, stands)
		if err != nil {
			return nil, err
		}
		if err := firstUnmet(only, seen); err != nil {
			return nil, err
		}
		w.Before = seen
		to := p.sharedState(present)
		w.Snapshot = l.sharedSnapshot(clientID, to)
		if present == nil {
			w.LastRefill = s.clock.Wall() // The ledger will say when it was made.
		}
		return to, nil
	})
	if err != nil {
		return Written{}, err
	}
	return w, nil
}

// sharedState is what a plan makes of a bucket; nil if there is none. What replicas hold is a part
// of its tokens.
func (p plan) sharedState(present *lease.State) *lease.State {
	to := &lease.State{Managed: true, Tier: p.rate.Tier, Settings: p.rate.Settings}
	capacity := float64(p.rate.Capacity)
	switch {
	case present == nil && p.tokens == nil:
		to.Tokens = capacity
	case present == nil:
		to.Tokens = float64(*p.tokens)
	case p.tokens == nil:
		to.Leased, to.At = present.Leased, present.At
		to.Tokens = min(present.Tokens+float64(present.Leased), capacity) - float64(present.Leased)
	default:
		to.Leased, to.At = present.Leased, present.At
		to.Tokens = float64(*p.tokens - present.Leased)
	}
	return to
}

func (s *Service) deleteShared(ctx context.Context, l *Limit, clientID string, only []Condition) (was Snapshot, err error) {
	err = s.changeShared(ctx, l, clientID, func(_ *lease.State, seen *Snapshot) (*lease.State, error) {
		if seen == nil {
			return nil, ErrNotFound
		}
		was = *seen
		return nil, firstUnmet(only, seen)
	})
	if err != nil {
		return Snapshot{}, err
	}
	return was, nil
}

// errNotManaged leaves a bucket as it is that isn't managed any more.
var errNotManaged = errors.New("not managed")

// clearShared is DeleteManaged for a limit that is shared.
func (s *Service) clearShared(ctx context.Context, l *Limit) (n int, err error) {
	var managed []string
	err = s.eachShared(ctx, l, func(clientID string, state *lease.State) {
		if state.Managed {
			managed = append(managed, clientID)
		}
	})
	for i := 0; err == nil && i < len(managed); i++ {
		calling, cancel := context.WithTimeout(ctx, s.options().StoreTimeout)
		err = s.changeShared(calling, l, managed[i], func(present *lease.State, _ *Snapshot) (*lease.State, error) {
			if present == nil || !present.Managed {
				return nil, errNotManaged
			}
			return nil, nil
		})
		cancel()
		switch {
		case err == nil:
			n++
		case errors.Is(err, errNotManaged):
			err = nil
		}
	}
	return n, err
}

// eachShared calls f with each bucket that a shared limit has in the ledger.
func (s *Service) eachShared(ctx context.Context, l *Limit, f func(clientID string, state *lease.State)) error {
	ledger, namespace, numbers, err := l.inLedger()
	if err != nil {
		return err
	}
	var n atomic.Int64
	ctx, stop := whileItMoves(ctx, s.options().StoreTimeout, &n)
	defer stop()
	return ofLedger(ledger.Each(ctx, namespace, numbers, func(clientID string, state lease.State) error {
		n.Add(1)
		f(clientID, &state)
		return nil
	}))
}

// addShared adds what the replica does.
func (s *Service) addShared(to *Stats) {
	replica := s.options().Replica
	if replica == nil {
		return
	}
	shared := replica.Stats()
	to.Shared = &shared
	if why := replica.Failure(); why != "" && to.StoreUp {
		to.StoreUp, to.StoreError = false, why
	}
}
