package balancer

import (
	"math"
	"sync/atomic"
)

// atomicFloat is a number that is read and written at once.
type atomicFloat struct{ bits atomic.Uint64 }

func (f *atomicFloat) Load() float64     { return math.Float64frombits(f.bits.Load()) }
func (f *atomicFloat) Store(now float64) { f.bits.Store(math.Float64bits(now)) }

func (f *atomicFloat) CompareAndSwap(was, now float64) bool {
	return f.bits.CompareAndSwap(math.Float64bits(was), math.Float64bits(now))
}
