package table

import (
	"reflect"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A client costs half of a cache line, a control byte, and its share of the page: see doc.go.
func TestBucketIsHalfALine(t *testing.T) {
	assert.Equal(t, uintptr(bucketSize), unsafe.Sizeof(Bucket{}), "slots are computed with it")
	assert.LessOrEqual(t, unsafe.Sizeof(longID{}), uintptr(shortID))
	assert.Equal(t, uintptr(headerSize), unsafe.Sizeof(slab{}))
	for field := range reflect.TypeFor[Bucket]().Fields() {
		assert.NotContains(t, []reflect.Kind{reflect.Pointer, reflect.String, reflect.Slice}, field.Type.Kind(), "the garbage collector would look at it")
	}
	for buckets := range 200 {
		assert.Zero(t, (extent{buckets: buckets}).first()%bucketSize, "none is in two lines")
	}
}

// Every slab fills the memory that the allocator gives for it, except less than a bucket with its
// control byte.
func TestSlabsFitTheirMemory(t *testing.T) {
	for buckets := range 300 {
		for _, each := range []int{0, 30, 71} {
			v, e := newSlab(extent{buckets, buckets * each})
			require.GreaterOrEqual(t, e.buckets, buckets)
			require.GreaterOrEqual(t, e.bytes, buckets*each)
			var sameSize []byte
			size := allocated(func() { sameSize = make([]byte, e.size()) })
			runtime.KeepAlive(sameSize)
			runtime.KeepAlive(v)
			require.LessOrEqual(t, e.size(), size)
			more := extent{e.buckets + 1, e.bytes}
			more.bytes = each * more.buckets
			require.Greater(t, more.size(), size-8, "%d buckets of %d bytes leave room for another one", e.buckets, each)
		}
	}
}

// allocated is what the allocator takes for the one object that f makes.
func allocated(f func()) int {
	var before, after runtime.MemStats
	least := 1 << 30
	for range 5 { // somebody else may allocate meanwhile
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, int(after.TotalAlloc-before.TotalAlloc))
	}
	return least
}

func TestZeroBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0, 1, 0x7f, 0x80, 0x81, 0xff}), 8, 8).Draw(t, "bytes")
		var x, want uint64
		for i, v := range b {
			x |= uint64(v) << (8 * i)
			if v == 0 {
				want |= 0x80 << (8 * i)
			}
		}
		require.Equal(t, want, zeroBytes(x))
	})
}
