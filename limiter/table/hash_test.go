package table

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

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

// Addresses that differ in little spread over shards, pages, groups in them and overflow buckets.
func TestHashSpreadsAddresses(t *testing.T) {
	const clients, groups = 1 << 16, 64
	h := newHasher()
	var shards, pages, controls, probes, overflow [groups]int
	id := []byte("10.000.000.0")
	for n := range clients {
		for i, v := len(id)-1, n; i > 2; i-- {
			if id[i] != '.' {
				id[i], v = '0'+byte(v%10), v/10
			}
		}
		hash := h.hash(string(id))
		shards[hash>>58]++ // and what is shifted further
		pages[hash%groups]++
		controls[hash>>50%groups]++
		probes[(&slab{groups: groups}).probe(hash)]++
		overflow[hash>>32%groups]++
	}
	for _, counts := range [][groups]int{shards, pages, controls, probes, overflow} {
		for _, n := range counts {
			// 1,024 each; 6 standard deviations are 192.
			assert.InDelta(t, clients/groups, n, 200)
		}
	}
}
