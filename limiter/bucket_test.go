package limiter

import (
	"math"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A bucket keeps its client_id, of any length, whatever happens to its marks and its limit.
func TestBucketKeepsItsClientID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(0, -1, MaxClientID).Draw(t, "client_id")
		isManaged := rapid.Bool().Draw(t, "managed")
		buffer := []byte(id + ".")
		b := newBucket(aliasing(buffer)[:len(id)], nil, 0, isManaged)
		for i := range buffer {
			buffer[i] = 'x'
		}
		want := map[uint64]bool{managed: isManaged}
		limit := int64(never)
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			mark := rapid.SampledFrom([]uint64{dirty, stored, limited}).Draw(t, "mark")
			switch rapid.IntRange(0, 2).Draw(t, "change") {
			case 0:
				b.clear(mark)
				want[mark] = false
			case 1:
				if mark != limited {
					require.Equal(t, !want[mark], b.set(mark))
					want[mark] = true
				}
			case 2:
				limit = rapid.Int64Range(0, math.MaxInt64).Draw(t, "limit")
				b.setLimit(limit)
				want[limited] = true
			}
		}
		for mark, is := range want {
			require.Equal(t, is, b.has(mark), "mark %d", mark)
		}
		if want[limited] {
			require.Equal(t, limit&^limitCut, b.limit())
		} else {
			require.Equal(t, int64(never), b.limit())
		}
		require.Equal(t, id, b.clientID())
	})
}

// Both ends of every size that a bucket is made in, kept by nothing but the string.
func TestClientIDKeepsItsBucket(t *testing.T) {
	for _, n := range []int{1, 16, 17, 30, 31, 46, 47, 78, 79, 142, 143, MaxClientID} {
		id := strings.Repeat("é", n)[:n]
		held := newBucket(id, nil, 0, false).clientID()
		runtime.GC()
		assert.Equal(t, id, held)
	}
	assert.Panics(t, func() { newBucket(strings.Repeat("x", MaxClientID+1), nil, 0, false) })
}

// What a client costs is in ARCHITECTURE.md: one object, and what the map takes.
func TestBucketIsOneSmallObject(t *testing.T) {
	assert.Equal(t, uintptr(32), unsafe.Sizeof(bucket{}))
	for _, n := range []int{1, 16, 17, 71, MaxClientID} {
		id := strings.Repeat("x", n)
		assert.Equal(t, 1.0, testing.AllocsPerRun(100, func() { runtime.KeepAlive(newBucket(id, nil, 0, false)) }))
	}
}

func TestHashDependsOnEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHasher()
		id := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "client_id")
		was := h.hash(string(id))
		require.Equal(t, was, h.hash(string(id)))
		at := rapid.IntRange(0, len(id)-1).Draw(t, "at")
		id[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		require.NotEqual(t, was, h.hash(string(id)))
		if len(id) > 8 {
			require.NotEqual(t, h.hash(string(id)), h.hash(string(id[:len(id)-1])))
		}
		other := newHasher()
		require.NotEqual(t, h.hash(string(id)), other.hash(string(id)), "no client can foresee it")
	})
}

// Addresses that differ in little spread over shards, rows of maps and overflow buckets.
func TestHashSpreadsAddresses(t *testing.T) {
	const clients, groups = 1 << 16, 64
	h := newHasher()
	var upper, rows, tags, overflow [groups]int
	id := []byte("10.000.000.0")
	for n := range clients {
		for i, v := len(id)-1, n; i > 2; i-- {
			if id[i] != '.' {
				id[i], v = '0'+byte(v%10), v/10
			}
		}
		hash := h.hash(string(id))
		upper[hash>>58]++
		rows[hash>>7%groups]++
		tags[hash%groups]++
		overflow[hash>>32%groups]++
	}
	for _, counts := range [][groups]int{upper, rows, tags, overflow} {
		for _, n := range counts {
			// 1,024 each; 6 standard deviations are 192.
			assert.InDelta(t, clients/groups, n, 200)
		}
	}
}
