//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/testbed"
)

// behind reports whether the target writes spending behind.
func (t *target) behind() bool { return t.Behind > 0 && t.key != load.NoKey }

// warmUpOf is how long a target is warmed up. One that writes behind is amid its flushes when a run
// begins, as when it ends. Our variants that don't write behind are warmed up for as long, since
// they are compared with it.
func (c *comparison) warmUpOf(t *target) time.Duration {
	if t.Role == peers.Ours && t.key != load.NoKey {
		return max(c.warmUp, peers.FlushInterval+peers.FlushInterval/10)
	}
	return c.warmUp
}

// settle waits until all spending is stored, so that no other target pays for that.
func (t *target) settle(ctx context.Context) error {
	if !t.behind() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return t.process.Await(ctx, func() error {
		var status api.Status
		err := testbed.GetJSON(ctx, "http://"+t.admin+"/status", &status)
		if err == nil && status.Store.Dirty > 0 {
			err = fmt.Errorf("%d buckets are not flushed", status.Store.Dirty)
		}
		return err
	})
}
