package table

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
)

// These don't compile if a shard isn't two cache lines on the architecture that the tests are built
// for.
var (
	_ [unsafe.Offsetof(shard{}.shape) - cacheLine]struct{}
	_ [cacheLine - unsafe.Offsetof(shard{}.shape)]struct{}
	_ [unsafe.Sizeof(shard{}) - 2*cacheLine]struct{}
	_ [2*cacheLine - unsafe.Sizeof(shard{})]struct{}
)

// What every take reads shares no cache line with what takes and admissions write.
func TestShardsBeginWithACacheLine(t *testing.T) {
	tab := newTable(one(1, time.Second), 1)
	for i := range tab.shards {
		assert.Zero(t, uintptr(unsafe.Pointer(&tab.shards[i]))%cacheLine)
	}
	assert.Less(t, unsafe.Offsetof(tab.mark)/cacheLine, unsafe.Offsetof(tab.count)/cacheLine)
}
