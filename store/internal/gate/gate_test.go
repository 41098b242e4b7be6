package gate_test

import (
	"context"
	"errors"
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

func TestEndEndsTheCallThatIsLetInAndKeepsOthersOut(t *testing.T) {
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
		require.False(t, g.Ended())
		g.End()
		require.True(t, g.Ended())
		<-ctx.Done()
		require.ErrorIs(t, context.Cause(ctx), store.ErrClosed)
		require.ErrorIs(t, <-waiting, store.ErrClosed)
		g.Leave()
		_, _, err = g.Enter(t.Context())
		require.ErrorIs(t, err, store.ErrClosed)
	})
}

func TestCloseLetsGoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New()
		_, cancel, err := g.Enter(t.Context())
		require.NoError(t, err)
		defer cancel()

		calls := 0
		failure := errors.New("a failure to let go")
		letGo := func() error { calls++; return failure }
		closed := make(chan error, 1)
		go func() { closed <- g.Close(time.Second, letGo) }()
		synctest.Wait()
		require.Zero(t, calls, "the call under way has what is behind the gate")
		g.Leave()
		require.ErrorIs(t, <-closed, failure)
		require.ErrorIs(t, g.Close(time.Second, letGo), failure)
		require.Equal(t, 1, calls)
	})
}

func TestCloseGivesUpOnACallThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New()
		_, cancel, err := g.Enter(t.Context())
		require.NoError(t, err)
		defer cancel()
		letGo := make(chan struct{}, 1)
		start := time.Now()
		err = g.Close(time.Second, func() error { letGo <- struct{}{}; return nil })
		require.ErrorContains(t, err, "did not end within 1s")
		require.Equal(t, time.Second, time.Since(start))
		synctest.Wait()
		require.Empty(t, letGo, "the call has what is behind the gate")
		g.Leave()
		<-letGo
	})
}
