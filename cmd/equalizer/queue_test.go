package main

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api"
)

// entering has somebody enter a queue in another goroutine, and sends what comes of that.
func entering(q *queue) <-chan error {
	entered := make(chan error, 1)
	go func() { entered <- q.enter() }()
	return entered
}

// One reload runs and one waits. A third is refused, until there is a place again.
func TestQueueIsOneDeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.open()
		require.NoError(t, q.enter())
		assert.ErrorIs(t, q.enterIfFree(), api.ErrReloading)
		second := entering(q)
		synctest.Wait()
		assert.Empty(t, second, "it waits for its turn")
		for range 3 {
			err := q.enter()
			assert.ErrorIs(t, err, api.ErrReloading)
			assert.ErrorContains(t, err, "one runs since 2000-01-01T00:00:00Z")
		}
		q.leave()
		require.NoError(t, <-second)
		third := entering(q)
		synctest.Wait()
		assert.Empty(t, third)
		q.leave()
		require.NoError(t, <-third)
		q.leave()
		require.NoError(t, q.enterIfFree(), "nobody runs any more")
		q.leave()
		require.NoError(t, q.wait(t.Context()))
	})
}

func TestQueueBeforeTheStartIsOver(t *testing.T) {
	q := newQueue()
	assert.Equal(t, api.ErrStarting, q.enter())
	q.open()
	require.NoError(t, q.enter())
	q.leave()

	q = newQueue()
	q.close()
	q.open()
	assert.Equal(t, api.ErrStopping, q.enter(), "a stop during the start")
}

// A stop cancels the reload that runs, which publishes nothing any more, and turns away the one
// that waits.
func TestQueueThatCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.open()
		require.NoError(t, q.enter())
		published := 0
		require.NoError(t, q.publish(func() { published++ }))
		waiting := entering(q)
		synctest.Wait()
		require.NoError(t, q.ctx.Err())
		q.close()
		assert.Equal(t, api.ErrStopping, <-waiting)
		assert.Error(t, q.ctx.Err())
		assert.Equal(t, api.ErrStopping, q.publish(func() { published++ }))
		assert.Equal(t, 1, published)

		ended := make(chan error, 1)
		go func() { ended <- q.wait(t.Context()) }()
		synctest.Wait()
		assert.Empty(t, ended, "one still runs")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, q.wait(ctx), context.Canceled)
		q.leave()
		require.NoError(t, <-ended)
		assert.Equal(t, api.ErrStopping, q.enter())
	})
}

// However the turn of the one that waits and the stop meet, nobody runs in the end.
func TestTurnAtTheStop(t *testing.T) {
	for range 1000 {
		q := newQueue()
		q.open()
		require.NoError(t, q.enter())
		waiting := entering(q)
		go q.close()
		q.leave()
		if err := <-waiting; err == nil {
			q.leave()
		} else {
			assert.Equal(t, api.ErrStopping, err)
		}
		require.NoError(t, q.wait(t.Context()))
	}
}
