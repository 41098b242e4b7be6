package gate_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/store"
	"gopher-equalizer/store/internal/gate"
)

func TestEnterWaitsForTheCallBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New()
		_, cancel, err := g.Enter(t.Context())
		require.NoError(t, err)
		defer cancel()

		entered := make(chan error, 1)
		go func() {
			_, cancel, err := g.Enter(t.Context())
			if err == nil {
				cancel()
			}
			entered <- err
		}()
		synctest.Wait()
		require.Empty(t, entered)
		g.Leave()
		require.NoError(t, <-entered)
		g.Leave()
	})
}

func TestEnterIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New()
		_, cancel, err := g.Enter(t.Context())
		require.NoError(t, err)
		defer cancel()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err = g.Enter(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		g.Leave()
	})
}

func TestEndedContextDoesNotEnter(t *testing.T) {
	g := gate.New()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := g.Enter(ctx)
	require.ErrorIs(t, err, context.Canceled)

	_, cancel, err = g.Enter(t.Context())
	require.NoError(t, err, "the refused call has kept the turn")
	cancel()
	g.Leave()
}

func TestCloseEndsTheCallThatIsLetInAndKeepsOthersOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New()
		ctx, cancel, err := g.Enter(t.Context())
		require.NoError(t, err)
		defer cancel()

		waiting := make(chan error)
		go func() {
			_, _, err := g.Enter(t.Context())
			waiting <- err
		}()
		synctest.Wait()
		g.Close()
		require.True(t, g.Closed())
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), store.ErrClosed)
		require.ErrorIs(t, <-waiting, store.ErrClosed)

		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, g.Drain(late), context.DeadlineExceeded, "a call is still in")
		g.Leave()
		require.NoError(t, g.Drain(t.Context()))
		_, _, err = g.Enter(t.Context())
		require.ErrorIs(t, err, store.ErrClosed)
	})
}
