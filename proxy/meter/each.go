package meter

import (
	"iter"
	"math/bits"
	"runtime"
	"sync/atomic"
	_ "unsafe" // for go:linkname
)

// cacheLines keeps what one processor writes away from what others do: two lines, because
// processors fetch them in pairs.
const cacheLines = 128

// Each holds a T for each processor. Processors are those of Go's scheduler, and a goroutine may be
// moved to another one at any time, so all that is written to a T is atomic. It is the processors'
// own for speed only.
type Each[T any] struct {
	// cells are as many as a power of two, and nil until a processor has come.
	cells []atomic.Pointer[cell[T]]
}

type cell[T any] struct {
	value T
	_     [cacheLines]byte
}

// NewEach makes one in which nothing is counted.
func NewEach[T any]() *Each[T] {
	most := max(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	return &Each[T]{cells: make([]atomic.Pointer[cell[T]], 1<<bits.Len(uint(most-1)))}
}

// Mine is the T of the processor that calls it.
func (e *Each[T]) Mine() *T {
	p := &e.cells[processor()&(len(e.cells)-1)]
	if c := p.Load(); c != nil {
		return &c.value
	}
	p.CompareAndSwap(nil, new(cell[T]))
	return &p.Load().value
}

// All are the T of all processors, as far as they have come.
func (e *Each[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := range e.cells {
			if c := e.cells[i].Load(); c != nil && !yield(&c.value) {
				return
			}
		}
	}
}

// processor is the number of the processor that calls it, from 0.
func processor() int {
	n := procPin()
	procUnpin()
	return n
}

// The scheduler's own functions, which Go keeps for those who link to them (go.dev/issue/67401).
// sync.Pool is made of them, too.

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()
