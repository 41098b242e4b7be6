//go:build linux

package main

import (
	"time"

	"gopher-equalizer/bench/lab/measure"
)

// taken is what a target's processes take from begin on. Without a proxy there are none.
type taken struct {
	tree measure.Tree
	cpu  time.Duration
}

func begin(t *target) (taken, error) {
	tree, err := t.tree()
	if err != nil {
		return taken{}, err
	}
	_ = tree.ResetPeak() // if the kernel can't do this, the peak is since the start
	cpu, err := tree.CPU()
	return taken{tree, cpu}, err
}

// end returns the CPU time since begin, and the most memory that was resident meanwhile.
func (u taken) end() (cpu time.Duration, peak int64, err error) {
	if cpu, err = u.tree.CPU(); err != nil {
		return 0, 0, err
	}
	peak, err = u.tree.Peak()
	return cpu - u.cpu, peak, err
}
