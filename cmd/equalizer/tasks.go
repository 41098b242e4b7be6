package main

import (
	"context"
	"sync"
)

// tasks are goroutines that run until they are ended, all at once.
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

// run starts one, which has to return when its context ends.
func (t *tasks) run(task func(context.Context)) {
	t.running.Go(func() { task(t.ctx) })
}

// end returns when all have.
func (t *tasks) end() {
	t.cancel()
	t.running.Wait()
}
