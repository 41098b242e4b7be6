// Package gate admits one call at a time to a store until the store is closed. Each call is bounded
// by its context.
package gate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gopher-equalizer/store"
)

// Gate is what a call enters before it touches a store's file or connection.
type Gate struct {
	turn chan struct{}
	life context.Context
	end  context.CancelCauseFunc

	closing sync.Once
	closed  error // the result of closing
}

// New returns an open gate.
func New() *Gate {
	life, end := context.WithCancelCause(context.Background())
	return &Gate{turn: make(chan struct{}, 1), life: life, end: end}
}

// Enter waits until the call before it has left. The context that it returns ends with ctx, or with
// the cause store.ErrClosed when End is called. The caller must cancel it. On an error the call is
// not admitted, and must not call Leave.
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

// over is the reason why a call can't go on. It looks at the gate itself, since the gate's end
// reaches ctx a moment later.
func (g *Gate) over(ctx context.Context) error {
	if g.Ended() {
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

// Leave admits the next call. Any goroutine may call it, once for each Enter.
func (g *Gate) Leave() { <-g.turn }

// End ends the context of the admitted call, and admits no other.
func (g *Gate) End() { g.end(store.ErrClosed) }

// Ended reports whether End was called.
func (g *Gate) Ended() bool { return g.life.Err() != nil }

// Close calls End, waits up to patience for the admitted call, and then calls letGo to close what
// is behind the gate. If the call doesn't end in that time, Close returns an error, and letGo is
// called when the call ends. A second Close returns what the first one did.
func (g *Gate) Close(patience time.Duration, letGo func() error) error {
	g.closing.Do(func() {
		g.End()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case g.turn <- struct{}{}:
			g.closed = letGo()
			g.Leave()
		case <-timer.C:
			g.closed = fmt.Errorf("a call under way did not end within %v", patience)
			go func() {
				g.turn <- struct{}{}
				_ = letGo() // there is nobody left to tell
				g.Leave()
			}()
		}
	})
	return g.closed
}
