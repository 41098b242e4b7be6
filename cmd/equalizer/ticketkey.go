package main

import (
	"context"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
)

// ticketKeyPause is the time between two attempts to keep the key of sticky cookies.
const ticketKeyPause = 10 * time.Second

// loadTicketKey has the key of sticky cookies be the stored one before there are clients, if they
// are to get any.
func (p *process) loadTicketKey(ctx context.Context, c config.Config) {
	if err := p.keepTicketKeyIn(ctx, p.ticketsOf(c)); err != nil && ctx.Err() == nil {
		p.log.Warn().Err(err).Msg("the key of sticky cookies isn't loaded: until it is, clients of before get another backend")
	}
}

// keepTicketKey stores the key as soon as there are such cookies, and the store is there.
func (p *process) keepTicketKey(ctx context.Context) {
	ticks := time.NewTicker(ticketKeyPause)
	defer ticks.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		err := p.keepTicketKeyIn(ctx, p.current.Load().tickets)
		if failing && err == nil {
			p.log.Info().Msg("the key of sticky cookies is stored")
		}
		failing = err != nil
	}
}

// keepTicketKeyIn makes one attempt.
func (p *process) keepTicketKeyIn(ctx context.Context, in ticketStore) error {
	if in.blobs == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, in.timeout)
	defer cancel()
	return p.tickets.Keep(ctx, in.blobs)
}

// ticketStore is where the key of sticky cookies is kept; with nil blobs nowhere.
type ticketStore struct {
	blobs   balancer.Blobs
	timeout time.Duration
}

// ticketsOf is where a configuration keeps the key, once its store is in use.
func (p *process) ticketsOf(c config.Config) ticketStore {
	secret, err := secretOf(c.Store)
	if err != nil || p.overrides.blobs == nil || !hasSticky(c) {
		return ticketStore{}
	}
	return ticketStore{p.privateBlobs(secret), c.Store.Timeout}
}

// hasSticky reports whether a pool gives out sticky cookies.
func hasSticky(c config.Config) bool {
	for _, pool := range c.Pools {
		if pool.Strategy == balancer.Sticky {
			return true
		}
	}
	return false
}
