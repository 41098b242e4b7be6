package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store"
	"gopher-equalizer/store/memory"
	"gopher-equalizer/store/postgres"
)

// openShared opens a store that replicas share: the ledger of the limits that are shared, and what
// keeps the buckets of limits that each replica has for itself.
func openShared(ctx context.Context, c config.Config, aside func(func()), log zerolog.Logger) (l *limiting, late bool, err error) {
	ledger, late, err := openLedger(ctx, c.Store, log)
	if err != nil {
		return nil, false, err
	}
	l = &limiting{ledger: ledger, store: memory.New()}
	l.replica = lease.New(lease.Options{
		As:       lease.Member{Name: replicaName(c.Store), Host: hostName(), PID: os.Getpid()},
		Interval: c.Store.LeaseInterval, TTL: c.Store.LeaseTTL, Timeout: c.Store.Timeout,
		Aside: aside, Clock: limiter.SystemClock(), Logger: log,
	}, ledger)
	if !hasReplicaScope(c) {
		return l, late, nil
	}
	own := c.Store
	own.Postgres.Schema = ownSchema(c.Store)
	l.isOwnKept = true
	buckets, ownLate, err := openPostgres(ctx, own, nil, log)
	if err != nil {
		return nil, false, errors.Join(err, ledger.Close())
	}
	l.store = buckets
	return l, late || ownLate, nil
}

// openLedger connects to the ledger, for which it waits up to connect_timeout. late is true if it
// isn't there yet, and traffic is to be served meanwhile.
func openLedger(ctx context.Context, c config.Store, log zerolog.Logger) (l *postgres.Ledger, late bool, err error) {
	l, err = postgres.NewLedger(postgresOptions(c, log))
	if err != nil {
		return nil, false, err
	}
	err = l.Connect(ctx)
	switch {
	case err == nil:
		return l, false, nil
	case c.RequiredAtStart, postgres.IsFinal(err), errors.Is(err, store.ErrHeld), ctx.Err() != nil:
		return nil, false, errors.Join(err, l.Close())
	}
	log.Error().Err(err).Msg("the shared store is away: traffic starts without it, as required_at_start is false, " +
		"and each limit does as its on_store_loss says")
	return l, true, nil
}

// hasReplicaScope reports whether each replica has any limit for itself.
func hasReplicaScope(c config.Config) bool {
	for _, l := range c.Limits {
		if l.Scope == config.ScopeReplica {
			return true
		}
	}
	return false
}

// ownSchema is where a replica keeps what it shares with nobody: beside the shared schema, under a
// name of its own.
func ownSchema(c config.Store) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.ReplicaName))
	const most, suffix = 63, len("_r01234567")
	return fmt.Sprintf("%s_r%08x", c.Postgres.Schema[:min(len(c.Postgres.Schema), most-suffix)], h.Sum32())
}

// replicaName is the process's name among the replicas.
func replicaName(c config.Store) string {
	if c.ReplicaName != "" {
		return c.ReplicaName
	}
	suffix := fmt.Sprintf("-%d", os.Getpid())
	host := strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, hostName())
	return host[:min(len(host), config.MaxReplicaName-len(suffix))] + suffix
}

// hostName is the machine's name.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "unknown"
	}
	return name
}

// sharing is how a limit is shared; nil if each replica has it for itself.
func sharing(c config.Store, l config.Limit) *limiter.Sharing {
	if !c.Shared || l.Scope == config.ScopeReplica {
		return nil
	}
	s := &limiter.Sharing{Wait: l.LeaseWait}
	switch l.Leasing {
	case config.LeasingTrickle:
		s.Leasing = lease.Trickle
	case config.LeasingEach:
		s.Leasing = lease.Each
	}
	switch l.OnStoreLoss {
	case config.OnLossRefuse:
		s.OnLoss = lease.Refuse
	case config.OnLossAllow:
		s.OnLoss = lease.Allow
	}
	return s
}
