//go:build e2e

package main

import (
	"syscall"
	"testing"
	"time"
)

// TestManyReplicasShareBudgets has eight replicas for 40 seconds. Most requests go to one of them,
// another one every 10 seconds. Meanwhile one is killed, one stopped past its leases, and one is
// replaced, again and again.
func TestManyReplicasShareBudgets(t *testing.T) {
	server := newCluster(t)
	f := newFleet(t, server.URL("equalizer"), "refuse", "0s", 8)
	l := f.load(3, 8, 20*time.Millisecond)
	end := time.After(40 * time.Second)
	move := time.NewTicker(10 * time.Second)
	defer move.Stop()
	for round := 0; ; round++ {
		select {
		case <-end:
			l.end(t, 0)
			return
		case <-move.C:
			l.hot.Add(3)
		default:
		}
		one := f.at(round)
		switch round % 3 {
		case 0:
			f.remove(one)
			one.kill()
			f.start()
		case 1:
			one.signal(syscall.SIGSTOP)
			f.await("the others give it up", func() bool { return !f.at(round + 1).knows(one.name) })
			one.signal(syscall.SIGCONT)
			f.await("it joins again", func() bool { return f.at(round + 1).knows(one.name) })
		case 2:
			f.start()
			f.remove(one)
			one.stop()
		}
	}
}
