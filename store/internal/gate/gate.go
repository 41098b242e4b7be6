// Package gate lets one call at a time at a store, each bounded by its context, until the
// store is closed.
package gate

import (
	"context"
	"fmt"

	"gopher-equalizer/store"
)

// Gate is what a call passes before it touches a store's file or connection.
type Gate struct {
	turn chan struct{}
	life context.Context
	end  context.CancelCauseFunc
}

// New returns an open gate.
func New() *Gate {
	life, end := context.WithCancelCause(context.Background())
	return &Gate{turn: make(chan struct{}, 1), life: life, end: end}
}

// Enter waits for the call before to Leave. The context that it returns ends with ctx, or
// with the cause store.ErrClosed at Close; the caller must cancel it. On an error the call is
// not let in, and must not Leave.
func (g *Gate) Enter(ctx context.Context) (context.Context, context.CancelFunc, error) {
	ctx, cancel := g.bind(ctx)
	err := g.await(ctx)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return ctx, cancel, nil
}

func (g *Gate) await(ctx context.Context) error {
	if err := g.over(ctx); err != nil {
		return err
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the call before it: %w", context.Cause(ctx))
	}
	err := g.over(ctx)
	if err != nil {
		g.Leave()
	}
	return err
}

// over is why a call can't go on. The gate is asked itself: its end reaches ctx a moment later.
func (g *Gate) over(ctx context.Context) error {
	if g.Closed() {
		return store.ErrClosed
	}
	return context.Cause(ctx)
}

// bind returns a context that ends with ctx or with the gate.
func (g *Gate) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unbind := context.AfterFunc(g.life, func() { cancel(context.Cause(g.life)) })
	return ctx, func() {
		unbind()
		cancel(nil)
	}
}

// Leave lets the next call in. Any goroutine may call it, once for each Enter.
func (g *Gate) Leave() { <-g.turn }

// Close ends the context of the call that is let in, and keeps all further ones out.
func (g *Gate) Close() { g.end(store.ErrClosed) }

// Closed says whether Close was called.
func (g *Gate) Closed() bool { return g.life.Err() != nil }

// Drain waits until no call is let in, and then keeps the turn. Only after Close.
func (g *Gate) Drain(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
