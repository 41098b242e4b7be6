package main

import (
	"context"
	"sync"
)

// tasks are goroutines that are ended together.
type tasks struct {
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func newTasks() *tasks {
	t := &tasks{}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// run starts a task, which must return when its context ends.
func (t *tasks) run(task func(context.Context)) {
	t.running.Go(func() { task(t.ctx) })
}

// end ends the tasks, and returns when all have returned.
func (t *tasks) end() { _ = t.endWithin(context.Background()) }

// endWithin is end that doesn't wait any longer than ctx. Then it returns the cause of that.
func (t *tasks) endWithin(ctx context.Context) error {
	t.cancel()
	ended := make(chan struct{})
	go func() {
		t.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
